#include "agent/engine/dirty_queue.h"

#include <algorithm>

namespace filesync {
namespace {

constexpr absl::Duration kLongestHold = absl::Seconds(10);
constexpr int kRestPerWork = 3;  // at most a quarter of the time on one path
constexpr absl::Duration kCheap = absl::Milliseconds(10);

}  // namespace

void DirtyQueue::Set(const RelPath& path, absl::Time time) {
  const auto [it, inserted] = when_.try_emplace(path, time);
  if (!inserted) {
    order_.erase({it->second, path});
    it->second = time;
  }
  order_.emplace(time, path);
}

void DirtyQueue::Add(const RelPath& path, absl::Time not_before) {
  if (const auto held = holds_.find(path); held != holds_.end()) {
    not_before = std::max(not_before, held->second.until);
  }
  const auto it = when_.find(path);
  if (it != when_.end() && it->second <= not_before) return;
  Set(path, not_before);
}

void DirtyQueue::Postpone(const RelPath& path, absl::Time not_before) { Set(path, not_before); }

std::vector<RelPath> DirtyQueue::TakeReady(absl::Time now, size_t limit) {
  std::vector<RelPath> ready;
  while (!order_.empty() && ready.size() < limit && order_.begin()->first <= now) {
    ready.push_back(order_.begin()->second);
    when_.erase(ready.back());
    order_.erase(order_.begin());
  }
  std::sort(ready.begin(), ready.end());
  return ready;
}

void DirtyQueue::Remove(const RelPath& path) {
  const auto it = when_.find(path);
  if (it == when_.end()) return;
  order_.erase({it->second, path});
  when_.erase(it);
}

void DirtyQueue::Handled(const RelPath& path, absl::Time now, absl::Duration cost) {
  // Saves that cost nearly nothing need no rest.
  if (cost < kCheap) return;
  if (holds_.size() >= prune_at_) {
    absl::erase_if(holds_,
                   [now](const auto& hold) { return hold.second.handled + kLongestHold <= now; });
    prune_at_ = std::max(kHoldsBeforePruning, 2 * holds_.size());
  }
  const auto [it, first] = holds_.try_emplace(path);
  Hold& hold = it->second;
  const bool again = !first && now - cost - hold.handled < kLongestHold;
  hold.repetitions = again ? std::min(hold.repetitions + 1, kRestPerWork) : 0;
  hold.handled = now;
  hold.until = now + std::min(cost * hold.repetitions, kLongestHold);
}

absl::Time DirtyQueue::NextTime() const {
  return order_.empty() ? absl::InfiniteFuture() : order_.begin()->first;
}

absl::Time DirtyQueue::When(const RelPath& path) const {
  const auto it = when_.find(path);
  return it == when_.end() ? absl::InfiniteFuture() : it->second;
}

std::vector<RelPath> DirtyQueue::Some(size_t limit) const {
  std::vector<RelPath> some;
  some.reserve(std::min(limit, order_.size()));
  for (const auto& [time, path] : order_) {
    if (some.size() == limit) break;
    some.push_back(path);
  }
  return some;
}

}  // namespace filesync
