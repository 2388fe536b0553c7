// OpenStreams: the streams of content that there are, so that a server that stops waits for none of
// them. Thread-safe.
#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace filesync {

class OpenStreams {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // Ends as soon as it may: the server stops. Must not block; any thread.
    virtual void GoAway() = 0;
  };

  void Add(const std::shared_ptr<Stream>& stream) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends them, and those that come later.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const Stream*, std::weak_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
