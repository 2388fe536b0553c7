// Mailbox: how other threads hand work to the engine's thread: closures, run in order by
// Step(). Thread-safe.
#pragma once

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace filesync {

class Mailbox {
 public:
  using Message = absl::AnyInvocable<void()>;

  void Post(Message message) {
    absl::MutexLock lock(&mutex_);
    messages_.push_back(std::move(message));
  }

  // Runs what is there, including what those messages post; returns how many ran.
  size_t RunAll() {
    size_t ran = 0;
    while (true) {
      Message message;
      {
        absl::MutexLock lock(&mutex_);
        if (messages_.empty()) return ran;
        message = std::move(messages_.front());
        messages_.pop_front();
      }
      message();
      ++ran;
    }
  }

  // Returns when a message is there or `timeout` has passed.
  void Wait(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !messages_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&ready), timeout);
  }

 private:
  absl::Mutex mutex_;
  std::deque<Message> messages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
