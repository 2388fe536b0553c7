// The commands that sync: `run` (until stopped) and `sync` (once).
#pragma once

#include "agent/cli/options.h"

namespace filesync {

// Returns the exit code.
int RunSync(const AgentOptions& options);

// `pause` and `resume`: tells the running agent. Returns the exit code.
int RunPause(const AgentOptions& options);

// `status`: prints how a directory stands. Returns the exit code.
int RunStatus(const AgentOptions& options);

}  // namespace filesync
