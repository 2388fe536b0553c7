// DownloadBudget: how much content is held for peers that have not taken it yet, in all downloads
// together. A peer that does not read costs the others nothing: when it is too much, what has been
// waiting longest ends. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace filesync {

class DownloadBudget {
 public:
  // Less than a half of what the server is to take all in all.
  static constexpr size_t kMostBytes = size_t{160} << 20;

  class Holder {
   public:
    virtual ~Holder() = default;
    // Ends, so that what it holds is given back. Must not block; any thread.
    virtual void Evict() = 0;
  };

  // `holder` holds `bytes` from now on, 0: nothing; `since`: when its peer was last seen to take
  // something. Another one may be evicted, outside all locks of this.
  void Set(const std::shared_ptr<Holder>& holder, size_t bytes, absl::Time since)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Share {
    std::weak_ptr<Holder> holder;
    size_t bytes = 0;
    absl::Time since;
  };
  // The one that has waited longest, but for `asking`; null: there is none.
  std::shared_ptr<Holder> Stalest(const Holder* asking) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<const Holder*, Share> shares_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
