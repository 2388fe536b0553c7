// The names that older synchronization tools use in their .env files, understood so that such a
// file goes on working. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "agent/config/layer.h"

namespace filesync {

// Adds to `layer` what NAME=VALUE means; nothing when `name` is none of them. Errors:
// InvalidArgument.
absl::Status TranslateOlderName(std::string_view name, std::string_view value,
                                const std::string& where, Layer& layer);

struct OlderName {
  std::string_view name;
  std::string_view setting;
};
// For the documentation.
std::span<const OlderName> OlderNames();

}  // namespace filesync
