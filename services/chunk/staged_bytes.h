// StagedBytes: how much each agent has uploaded since its last commit, so that nobody fills the
// disk with what is never committed. Counted roughly. Thread-safe.
//
// An agent may stage kAlwaysAllowed, or a quarter of the free disk where that is more: a file
// larger than the limit must be staged as a whole before it can be committed. What was staged
// more than an hour ago no longer counts against it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

class StagedBytes {
 public:
  static constexpr uint64_t kAlwaysAllowed = uint64_t{2} << 30;

  // `free_bytes` tells the free space of the store's disk.
  StagedBytes(const Clock* clock, std::function<uint64_t()> free_bytes)
      : clock_(clock), free_bytes_(std::move(free_bytes)) {}

  // ResourceExhausted when `bytes` more would be too much; they are not counted then.
  absl::Status Add(FolderId folder, const std::string& agent_id, uint64_t bytes);
  // The agent has committed: what it staged counts no more.
  void Reset(FolderId folder, const std::string& agent_id);

 private:
  struct Count {
    uint64_t bytes = 0;
    absl::Time since;
  };
  void ForgetOld(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  const std::function<uint64_t()> free_bytes_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::pair<FolderId, std::string>, Count> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
