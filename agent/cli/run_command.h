// `syncagent run` and `syncagent sync`: engines for the configured directories until they are
// stopped or, once, until they are in sync.
#pragma once

#include "agent/cli/invocation.h"

namespace filesync {

// Returns the exit code.
int RunSync(const Invocation& asked);

}  // namespace filesync
