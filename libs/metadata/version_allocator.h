// VersionAllocator: gives out the store's versions, each once. One counter serves all folders:
// a folder's versions increase, but are not dense.
//
// Versions are reserved in blocks in a small synced file beside the store ("versions.reserved":
// "FSV1", the last reserved version as 8 bytes big-endian, a check of 8 bytes), and a start
// after an unclean stop goes on above the block, so that no number is given out twice even when
// the store lost its tail. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/unique_fd.h"

namespace filesync {

class VersionAllocator {
 public:
  // `directory` is where the file is; "" keeps none. DataLoss when the file is damaged.
  static absl::StatusOr<std::unique_ptr<VersionAllocator>> Open(const std::string& directory,
                                                                uint64_t block);
  // The last reserved version; nullopt when there is no file.
  std::optional<uint64_t> reserved_through() const;
  // The next version to give out. Called once, before the first Take.
  void StartAt(uint64_t next);
  // The first of `count` consecutive versions. An error means that none was given out.
  absl::StatusOr<uint64_t> Take(uint64_t count);

 private:
  VersionAllocator(UniqueFd directory, uint64_t block)
      : directory_(std::move(directory)), block_(block) {}
  absl::Status Reserve(uint64_t through) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UniqueFd directory_;
  const uint64_t block_;
  mutable absl::Mutex mutex_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::optional<uint64_t> reserved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
