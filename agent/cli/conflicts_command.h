// `syncagent conflicts`: the conflicts of a directory's folder, wherever they are held, as the
// server knows them.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

// Prints to stdout, errors to stderr; returns the exit code.
int RunConflicts(const Invocation& asked);

}  // namespace filesync
