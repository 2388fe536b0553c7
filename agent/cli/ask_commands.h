// The commands that ask or tell an agent that runs: `status`, `wait`, `pause`, `resume`,
// `confirm`, `undo`, `ignore test`. Each prints its answer to stdout, what went wrong to stderr,
// and returns the exit code.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

int RunStatus(const Invocation& asked);
int RunWait(const Invocation& asked);
int RunPause(const Invocation& asked);
int RunHeld(const Invocation& asked);
int RunIgnoreTest(const Invocation& asked);

}  // namespace filesync
