// The commands that sync: `run` (until stopped) and `sync` (once).
#pragma once

#include "agent/cli/options.h"

namespace filesync {

// Returns the exit code.
int RunSync(const AgentOptions& options);

}  // namespace filesync
