// config.toml: settings for all folders, and a [[folder]] table for each directory's own.
//
//   server = "host:50051"
//   limit_up = "08:00 512k, 19:00 off"
//
//   [[folder]]
//   name = "docs"
//   directory = "~/docs"
//   ignore = ["*.tmp"]
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/config/layer.h"

namespace filesync {

struct FolderTable {
  std::string where;  // "config.toml:4"
  Layer values;
};

struct ConfigFile {
  Layer top;
  std::vector<FolderTable> folders;
};

// `name` is what errors call the file. Errors: InvalidArgument, with file, line and what was
// expected.
absl::StatusOr<ConfigFile> ParseConfigFile(const std::string& name, std::string_view text);

}  // namespace filesync
