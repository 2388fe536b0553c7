// `syncagent list`: what waits in a directory, path by path, each with its reason.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

// Asks the agent that runs for it; when none runs, a dry run finds out. Returns the exit code: 0
// also when something waits.
int RunList(const Invocation& asked);

}  // namespace filesync
