// TransferSlots: how many transfers may run at once. Thread-safe.
//
//   const TransferSlots::Slot slot = slots.Acquire();
//   ...                                                  // given back when `slot` goes
//
// Slots are given by the folder's priority, and within one in the order in which they were asked
// for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/traffic/token_queue.h"

namespace filesync {

class TransferSlots {
 public:
  // One transfer's. Does not outlive the slots it is of.
  class [[nodiscard]] Slot {
   public:
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    ~Slot() { Release(); }
    // Before its time; again has no effect.
    void Release();

   private:
    friend class TransferSlots;
    explicit Slot(TransferSlots* slots) : slots_(slots) {}
    TransferSlots* slots_;  // nullptr when it was given back
  };

  // At least one, so that 0 is 1.
  explicit TransferSlots(size_t limit);
  TransferSlots(const TransferSlots&) = delete;
  TransferSlots& operator=(const TransferSlots&) = delete;

  // Blocks until a slot is free and who asked before has one. After Shutdown it never blocks.
  Slot Acquire(FolderPriority folder = FolderPriority::kNormal);
  // nullopt where Acquire would block.
  std::optional<Slot> TryAcquire();
  // Who has a slot keeps it, so after a lower limit more may run for a while.
  void SetLimit(size_t limit);
  // Lets go who waits and who comes, for good.
  void Shutdown();
  size_t in_use() const;
  // How many callers are blocked.
  size_t waiting() const;

 private:
  bool IsTurnOf(uint64_t ticket) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whose turn it is; nullopt: nobody waits.
  std::optional<uint64_t> FirstTicket() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack();

  mutable absl::Mutex mutex_;
  size_t limit_ ABSL_GUARDED_BY(mutex_);
  size_t in_use_ ABSL_GUARDED_BY(mutex_) = 0;
  // Who asks draws the next ticket and waits in its folder's queue.
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<std::deque<uint64_t>, 3> queues_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
