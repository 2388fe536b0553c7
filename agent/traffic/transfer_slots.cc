#include "agent/traffic/transfer_slots.h"

#include <algorithm>
#include <utility>

namespace filesync {

TransferSlots::Slot::Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}

TransferSlots::Slot& TransferSlots::Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  Release();
  slots_ = std::exchange(other.slots_, nullptr);
  return *this;
}

void TransferSlots::Slot::Release() {
  if (slots_ != nullptr) std::exchange(slots_, nullptr)->GiveBack();
}

TransferSlots::TransferSlots(size_t limit) : limit_(std::max<size_t>(limit, 1)) {}

std::optional<uint64_t> TransferSlots::FirstTicket() const {
  for (const std::deque<uint64_t>& queue : queues_) {
    if (!queue.empty()) return queue.front();
  }
  return std::nullopt;
}

bool TransferSlots::IsTurnOf(uint64_t ticket) const {
  return shut_down_ || (FirstTicket() == ticket && in_use_ < limit_);
}

TransferSlots::Slot TransferSlots::Acquire(FolderPriority folder) {
  absl::MutexLock lock(&mutex_);
  const uint64_t ticket = next_ticket_++;
  std::deque<uint64_t>& queue = queues_[static_cast<size_t>(folder)];
  queue.push_back(ticket);
  auto my_turn = [this, ticket]()
                     ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return IsTurnOf(ticket); };
  mutex_.Await(absl::Condition(&my_turn));
  // Not always the first: after Shutdown they go in any order.
  queue.erase(std::find(queue.begin(), queue.end(), ticket));
  ++in_use_;
  return Slot(this);
}

std::optional<TransferSlots::Slot> TransferSlots::TryAcquire() {
  absl::MutexLock lock(&mutex_);
  if (!shut_down_ && (FirstTicket().has_value() || in_use_ >= limit_)) return std::nullopt;
  ++in_use_;
  return Slot(this);
}

void TransferSlots::SetLimit(size_t limit) {
  absl::MutexLock lock(&mutex_);
  limit_ = std::max<size_t>(limit, 1);
}

void TransferSlots::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
}

void TransferSlots::GiveBack() {
  absl::MutexLock lock(&mutex_);
  --in_use_;
}

size_t TransferSlots::in_use() const {
  absl::MutexLock lock(&mutex_);
  return in_use_;
}

size_t TransferSlots::waiting() const {
  absl::MutexLock lock(&mutex_);
  size_t waiting = 0;
  for (const std::deque<uint64_t>& queue : queues_) waiting += queue.size();
  return waiting;
}

}  // namespace filesync
