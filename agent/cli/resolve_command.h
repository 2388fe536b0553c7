// `syncagent resolve`: settles the conflict at a path, through the agent that runs for its
// directory, or, when none runs, with an engine that does this one thing.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

// Prints to stdout, errors to stderr; returns the exit code when it is settled.
int RunResolve(const Invocation& asked);

}  // namespace filesync
