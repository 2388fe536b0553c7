// Housekeeping: what the server does by itself from time to time, on a thread of its own.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace filesync {

class Housekeeping {
 public:
  // Calls `work` with the time since the call before (of a clock that nobody can put forward) about
  // every `interval`, until it is destroyed, which waits for a call that is being made.
  Housekeeping(absl::Duration interval, std::function<void(absl::Duration elapsed)> work);
  ~Housekeeping();

 private:
  void Run();

  const absl::Duration interval_;
  const std::function<void(absl::Duration)> work_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace filesync
