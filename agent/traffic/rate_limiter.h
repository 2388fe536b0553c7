// RateLimiter: makes whoever transfers wait, so that no more than a rate passes. Thread-safe.
//
//   limiter.Acquire(chunk.size());  // then send it
//
// Averages, bursts and who comes first are those of TokenQueue. A large request returns when all
// its bytes have been granted, over as long as that takes; the sender's own piece size is what
// smooths the wire, so ask for what is sent at once (a message, a frame).
#pragma once

#include <atomic>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/traffic/token_queue.h"
#include "libs/base/clock.h"

namespace filesync {

class RateLimiter {
 public:
  // `clock` outlives the limiter, the limiter whoever waits on it.
  RateLimiter(ByteRate rate, Clock* clock);
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // Blocks until `bytes` may pass; first come, first served within both priorities. Without a
  // limit, and after Shutdown, it costs one relaxed load.
  void Acquire(size_t bytes, TransferPriority priority = TransferPriority::kBulk,
               FolderPriority folder = FolderPriority::kNormal) {
    if (!open_.load(std::memory_order_relaxed)) AcquireLimited(bytes, priority, folder);
  }

  // For what waits already too. nullopt and 0 are no limit.
  void SetRate(ByteRate rate);
  ByteRate rate() const;
  // Lets go who waits and who comes, for good.
  void Shutdown();
  // How many callers are blocked.
  size_t waiting() const;

 private:
  void AcquireLimited(size_t bytes, TransferPriority priority, FolderPriority folder);
  // Until `request` is granted or becomes first, or, when it is first, for a moment: nobody
  // tells when an injected clock moves.
  void WaitAMoment(const TokenQueue::Request& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  std::atomic<bool> open_;  // changed with mutex_ held: no limit, or shut down
  mutable absl::Mutex mutex_;
  TokenQueue queue_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
