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

void TokenQueue::Add(Request* request, TransferPriority priority, absl::Time now,
                     FolderPriority folder) {
  Advance(now);
  if (!rate_.has_value()) request->missing = 0;
  if (request->missing == 0) return;
  const size_t first_bulk = queues_.size() / 2;
  const size_t place = (priority == TransferPriority::kBulk ? first_bulk : 0);
  queues_[place + static_cast<size_t>(folder)].push_back(request);
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
  for (Queue& queue : queues_) ServeQueue(queue);
}

void TokenQueue::ServeQueue(Queue& queue) {
  while (!queue.empty() && tokens_ >= 1) {
    uint64_t& missing = queue.front()->missing;
    const uint64_t granted = std::min(missing, static_cast<uint64_t>(tokens_));
    missing -= granted;
    tokens_ -= static_cast<double>(granted);
    if (missing == 0) queue.pop_front();
  }
}

void TokenQueue::GrantAll() {
  for (Queue& queue : queues_) {
    for (Request* request : queue) request->missing = 0;
    queue.clear();
  }
}

const TokenQueue::Request* TokenQueue::front() const {
  for (const Queue& queue : queues_) {
    if (!queue.empty()) return queue.front();
  }
  return nullptr;
}

size_t TokenQueue::size() const {
  size_t size = 0;
  for (const Queue& queue : queues_) size += queue.size();
  return size;
}

absl::Duration TokenQueue::UntilFrontIsServed() const {
  const double missing = static_cast<double>(front()->missing) - tokens_;
  return absl::Seconds(missing / static_cast<double>(*rate_));
}

}  // namespace filesync
