// HookCommand: a hook's program and its arguments, as people write them on one line. No shell runs
// it, so nothing that syncs can become a part of a command. Pure.
//
//   notify-send 'in sync'            {"notify-send", "in sync"}
//   sh -c 'jq .path >> /tmp/list'    a shell where one is asked for
//   jq .path >> /tmp/list            refused: without a shell, '>>' would be an argument
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace filesync {

// Words as a shell splits them, with '...', "..." and backslashes; no expansions. InvalidArgument:
// there is no word, a quote is not closed, or something stands unquoted that only a shell acts on.
absl::StatusOr<std::vector<std::string>> ParseHookCommand(std::string_view text);

}  // namespace filesync
