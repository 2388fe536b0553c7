// Invocation: one command of `syncagent` as it was called. A value.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/flags.h"

namespace filesync {

struct Invocation {
  const CommandDefinition* command = nullptr;
  std::string argument;  // DIR or PATH of commands that take no settings; may be empty
  Layer settings;        // as flags
  CommandFlags flags;    // the command's own

  bool Has(std::string_view flag) const { return flags.contains(flag); }
  // The last value of a flag of its own; empty when it was not given.
  std::string Text(std::string_view flag) const {
    const auto found = flags.find(flag);
    return found == flags.end() ? "" : found->second.back();
  }
};

// Says on stderr what is wrong with how the program was called or configured; returns the exit
// code.
int Refuse(const absl::Status& status);
// The same of what went wrong with what it was asked; `unavailable`: the exit code when somebody
// who is needed for it does not answer.
int Complain(const absl::Status& status, int unavailable = kExitSomeFailed);

}  // namespace filesync
