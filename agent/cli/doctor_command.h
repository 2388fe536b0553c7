// `syncagent doctor`: looks for what commonly stands in the way: the server, the clock, what the
// system allows to be watched, disk space, permissions.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

// Prints one line per finding; returns 0 when nothing is wrong, 1 when something is.
int RunDoctor(const Invocation& asked);

}  // namespace filesync
