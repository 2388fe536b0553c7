// EventFeed: what happens at one location, for any number of readers that must hold nobody up.
//
// Each reader has a queue with room for so many events; what finds no room is counted, and the
// reader is told how many it missed. Of progress and status only the newest is kept.
// Thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "filesync/control/v1/control.pb.h"
#include "libs/base/unique_fd.h"

namespace filesync {

class EventFeed {
 public:
  static constexpr size_t kMostQueued = 2000;
  static constexpr size_t kMostQueuedBytes = 1 << 20;

  class Reader {
   public:
    explicit Reader(UniqueFd wake, bool status) : wake_(std::move(wake)), status_(status) {}
    // Readable when there is something to take.
    int wake() const { return wake_.get(); }
    bool wants_status() const { return status_; }
    // All there is, in order.
    std::vector<control::v1::Event> Take();

   private:
    friend class EventFeed;
    void Add(const control::v1::Event& event);
    void Wake();

    const UniqueFd wake_;
    const bool status_;
    absl::Mutex mutex_;
    std::deque<control::v1::Event> queue_ ABSL_GUARDED_BY(mutex_);
    size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
    uint64_t missed_ ABSL_GUARDED_BY(mutex_) = 0;  // before what is in the queue
    std::optional<control::v1::Event> newest_progress_ ABSL_GUARDED_BY(mutex_);
    std::optional<control::v1::Event> newest_status_ ABSL_GUARDED_BY(mutex_);
  };

  // Somebody reads: making an event is worth while.
  bool HasReaders() const { return readers_count_ > 0; }
  void Publish(const control::v1::Event& event);

  // Sees what is published from now on, until it is given up.
  absl::StatusOr<std::shared_ptr<Reader>> Subscribe(bool status);

 private:
  std::atomic<int> readers_count_ = 0;
  absl::Mutex mutex_;
  std::vector<std::weak_ptr<Reader>> readers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
