// The commands that follow an agent that runs: `events`, and `status --watch`. Each prints to
// stdout until the agent ends, and returns the exit code.
#pragma once

#include <string>

#include "agent/cli/invocation.h"

namespace filesync {

// What happens, a line each: text, or with `json` one protobuf JSON object, progress included.
int RunEvents(const Invocation& asked);

// How it stands, written anew in place at a terminal, elsewhere a line per change; with `json`
// one protobuf JSON object per change.
int RunWatchStatus(const std::string& directory, bool json);

}  // namespace filesync
