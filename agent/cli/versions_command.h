// `syncagent versions`: what a path was before, from the folder's history.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

// Prints to stdout, errors to stderr; returns the exit code.
int RunVersions(const Invocation& asked);

}  // namespace filesync
