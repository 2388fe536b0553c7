#include "agent/traffic/token_queue.h"

#include <algorithm>

namespace filesync {
namespace {

ByteRate ZeroIsNoLimit(ByteRate rate) { return rate == 0u ? std::nullopt : rate; }

}  // namespace

TokenQueue::TokenQueue(ByteRate rate, absl::Time now) : rate_(ZeroIsNoLimit(rate)), last_(now) {}

// Of a rate of a few bytes per second a burst is less than a byte, and nothing would ever pass:
// then there is room for a byte, and for what comes of the next until somebody takes it.
double TokenQueue::Capacity() const {
  return std::max(2., static_cast<double>(*rate_) * absl::ToDoubleSeconds(kBurst));
}

void TokenQueue::SetRate(ByteRate rate, absl::Time now) {
  Advance(now);
  rate_ = ZeroIsNoLimit(rate);
  if (rate_.has_value()) {
    tokens_ = std::min(tokens_, Capacity());
  } else {
    GrantAll();
    tokens_ = 0;
  }
}

void TokenQueue::Add(Request* request, TransferPriority priority, absl::Time now) {
  Advance(now);
  if (!rate_.has_value()) request->missing = 0;
  if (request->missing == 0) return;
  (priority == TransferPriority::kInteractive ? interactive_ : bulk_).push_back(request);
  Serve();
}

void TokenQueue::Advance(absl::Time now) {
  const absl::Duration passed = std::max(now - last_, absl::ZeroDuration());
  last_ = now;
  if (!rate_.has_value()) return;
  const double came = static_cast<double>(*rate_) * absl::ToDoubleSeconds(passed);
  tokens_ = std::min(tokens_ + came, Capacity());
  Serve();
}

void TokenQueue::Serve() {
  ServeQueue(&interactive_);
  ServeQueue(&bulk_);
}

void TokenQueue::ServeQueue(std::deque<Request*>* queue) {
  while (!queue->empty() && tokens_ >= 1) {
    uint64_t& missing = queue->front()->missing;
    const uint64_t granted = std::min(missing, static_cast<uint64_t>(tokens_));
    missing -= granted;
    tokens_ -= static_cast<double>(granted);
    if (missing == 0) queue->pop_front();
  }
}

void TokenQueue::GrantAll() {
  for (std::deque<Request*>* queue : {&interactive_, &bulk_}) {
    for (Request* request : *queue) request->missing = 0;
    queue->clear();
  }
}

const TokenQueue::Request* TokenQueue::front() const {
  if (!interactive_.empty()) return interactive_.front();
  return bulk_.empty() ? nullptr : bulk_.front();
}

absl::Duration TokenQueue::UntilFrontIsServed() const {
  const double missing = static_cast<double>(front()->missing) - tokens_;
  return absl::Seconds(missing / static_cast<double>(*rate_));
}

}  // namespace filesync
