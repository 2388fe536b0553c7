// What the name of a conflict copy tells; the inverse of ConflictCopyPath. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "libs/paths/rel_path.h"

namespace filesync {

struct ConflictCopyName {
  RelPath original;   // whose copy it is; not the true one when a long name had to be cut
  std::string agent;  // as far as a file name can hold the agent's name
};

// nullopt when `path` has not the name of a conflict copy.
std::optional<ConflictCopyName> ParseConflictCopyPath(const RelPath& path);

}  // namespace filesync
