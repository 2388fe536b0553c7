#include "services/syncd/housekeeping.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace filesync {

Housekeeping::Housekeeping(absl::Duration interval,
                           std::function<void(absl::Duration elapsed)> work)
    : interval_(interval), work_(std::move(work)), thread_([this] { Run(); }) {}

Housekeeping::~Housekeeping() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void Housekeeping::Run() {
  pthread_setname_np(pthread_self(), "housekeeping");
  auto last = std::chrono::steady_clock::now();
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval_)) return;
    }
    const auto now = std::chrono::steady_clock::now();
    work_(absl::FromChrono(now - std::exchange(last, now)));
  }
}

}  // namespace filesync
