#include "agent/traffic/rate_limiter.h"

#include <algorithm>

namespace filesync {
namespace {

// Well below a burst, so that nothing is lost while somebody waits; and how late a new rate is
// noticed at most.
constexpr absl::Duration kLookAtClock = absl::Milliseconds(10);

}  // namespace

RateLimiter::RateLimiter(ByteRate rate, Clock* clock) : clock_(clock), queue_(rate, clock->Now()) {
  absl::MutexLock lock(&mutex_);
  open_ = !queue_.rate().has_value();
}

void RateLimiter::AcquireLimited(size_t bytes, TransferPriority priority, FolderPriority folder) {
  absl::MutexLock lock(&mutex_);
  if (shut_down_) return;
  TokenQueue::Request request{bytes};
  queue_.Add(&request, priority, clock_->Now(), folder);
  while (request.missing > 0) {
    WaitAMoment(request);
    queue_.Advance(clock_->Now());
  }
}

void RateLimiter::WaitAMoment(const TokenQueue::Request& request) {
  const bool first = queue_.front() == &request;
  auto changed = [this, &request, first]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return request.missing == 0 || (queue_.front() == &request) != first;
  };
  const absl::Duration longest =
      first ? std::min(queue_.UntilFrontIsServed(), kLookAtClock) : absl::InfiniteDuration();
  mutex_.AwaitWithTimeout(absl::Condition(&changed), longest);
}

void RateLimiter::SetRate(ByteRate rate) {
  absl::MutexLock lock(&mutex_);
  queue_.SetRate(rate, clock_->Now());
  open_ = shut_down_ || !queue_.rate().has_value();
}

ByteRate RateLimiter::rate() const {
  absl::MutexLock lock(&mutex_);
  return queue_.rate();
}

void RateLimiter::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
  open_ = true;
  queue_.GrantAll();
}

size_t RateLimiter::waiting() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

}  // namespace filesync
