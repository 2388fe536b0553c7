// Trash: what of the replaced and deleted files goes for good. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/location/location.h"

namespace filesync {

// One file in the trash, as it is known there.
struct TrashedFile {
  std::string name;
  int64_t put_at = 0;    // Unix seconds
  int64_t ctime_ns = 0;  // orders those of one second
  uint64_t bytes = 0;    // that it takes on the disk
  size_t place = 0;      // which of the trash directories it is in, as the caller counts them
};

// When a file of this name was put into the trash; nullopt when it was not put there by this.
std::optional<int64_t> TrashedAt(std::string_view name);

// What has to go, oldest first: everything older than the limit, then the oldest until the rest
// fits. What came last stays, however large it is, until something newer comes.
std::vector<TrashedFile> BeyondLimits(std::vector<TrashedFile> files, const TrashLimits& limits,
                                      absl::Time now);

}  // namespace filesync
