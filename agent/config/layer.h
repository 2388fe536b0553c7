// Layer: the settings that one source (flags, environment, .env, config.toml) gives, as text,
// each with where it was said. Values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/option_table.h"

namespace filesync {

struct Setting {
  // One, or several for settings that may be repeated; "true" or "false" for switches.
  std::vector<std::string> texts;
  // For people: "--limit-up", "SYNCAGENT_LIMIT_UP", ".env:3", "config.toml:12".
  std::string where;
};

// By the setting's name in the table.
using Layer = std::map<std::string_view, Setting>;

// "true", "yes", "on" and "1" are "true"; their opposites "false". InvalidArgument otherwise.
absl::StatusOr<std::string> CanonicalSwitch(std::string_view text);

// What one line can say of `option`: several values have a comma or a line break between them
// (a comma within a value is written "\,"). Checks switches.
absl::StatusOr<std::vector<std::string>> SplitValue(const OptionDefinition& option,
                                                    std::string_view text);

struct Environment {
  Layer layer;
  std::vector<std::string> unknown;  // SYNCAGENT_ names that mean nothing
};
// The SYNCAGENT_ variables of `environment` (as of environ, NULL at the end). Errors:
// InvalidArgument, naming the variable.
absl::StatusOr<Environment> ReadEnvironment(const char* const* environment);

}  // namespace filesync
