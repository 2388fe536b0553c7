// The commands that ask or tell an agent that runs: `status`, `wait`, `pause`, `resume`,
// `confirm`, `undo`, `ignore test`. Each prints its answer to stdout, what went wrong to stderr,
// and returns the exit code.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/options.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

int RunStatus(const AgentOptions& options);
int RunWait(const AgentOptions& options);
int RunPause(const AgentOptions& options);
int RunHeld(const AgentOptions& options);
int RunIgnoreTest(const AgentOptions& options);

// What `status` prints.
std::vector<std::string> StatusLines(const control::v1::Status& status);

}  // namespace filesync
