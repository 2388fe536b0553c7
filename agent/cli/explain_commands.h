// The commands that explain the program itself: `config`, `completion`, `man`, `help`. Each
// prints to stdout, what went wrong to stderr, and returns the exit code.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

int RunConfig(const Invocation& asked);
int RunCompletion(const Invocation& asked);
int RunMan(const Invocation& asked);
int RunHelp(const Invocation& asked);

}  // namespace filesync
