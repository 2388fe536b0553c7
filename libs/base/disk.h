// Disk: how much room a file system has. Thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace filesync {

struct DiskSpace {
  uint64_t bytes = 0;
  uint64_t free_bytes = 0;  // for this user
  bool has_inodes = false;  // some file systems count none
  uint64_t free_inodes = 0;
};
// Of the file system that `fd` is on.
absl::StatusOr<DiskSpace> SpaceOf(int fd);

}  // namespace filesync
