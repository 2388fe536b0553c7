// The commands that ask or tell an agent that runs: `status`, `wait`, `pause`, `resume`,
// `confirm`, `undo`, `ignore test`. Each prints its answer to stdout, what went wrong to stderr,
// and returns the exit code.
#pragma once

#include <string>
#include <vector>
#include "agent/cli/invocation.h"

#include "filesync/control/v1/control.pb.h"

namespace filesync {

int RunStatus(const Invocation& asked);
int RunWait(const Invocation& asked);
int RunPause(const Invocation& asked);
int RunHeld(const Invocation& asked);
int RunIgnoreTest(const Invocation& asked);

// What `status` prints.
std::vector<std::string> StatusLines(const control::v1::Status& status);

}  // namespace filesync
