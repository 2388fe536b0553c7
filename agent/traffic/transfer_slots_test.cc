#include "agent/traffic/transfer_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace filesync {
namespace {

using testing::ElementsAre;

bool Eventually(const std::function<bool()>& holds) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!holds()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

class TransferSlotsTest : public testing::Test {
 protected:
  ~TransferSlotsTest() override {
    slots_.Shutdown();
    for (std::thread& thread : threads_) thread.join();
  }

  // Asks on a thread of its own and keeps what it gets; returns when it waits.
  void StartAcquire(int number, FolderPriority folder = FolderPriority::kNormal) {
    const size_t before = slots_.waiting();
    threads_.emplace_back([this, number, folder] {
      TransferSlots::Slot slot = slots_.Acquire(folder);
      absl::MutexLock lock(&mutex_);
      order_.push_back(number);
      held_.push_back(std::move(slot));
    });
    EXPECT_TRUE(Eventually([&] { return slots_.waiting() > before; }));
  }

  std::vector<int> OrderOf(size_t count) {
    EXPECT_TRUE(Eventually([&] {
      absl::MutexLock lock(&mutex_);
      return order_.size() >= count;
    }));
    absl::MutexLock lock(&mutex_);
    return order_;
  }

  void ReleaseLast() {
    absl::MutexLock lock(&mutex_);
    held_.pop_back();
  }

  TransferSlots slots_{2};
  absl::Mutex mutex_;
  std::vector<int> order_ ABSL_GUARDED_BY(mutex_);
  std::vector<TransferSlots::Slot> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

TEST_F(TransferSlotsTest, ThereAreAsManyAsTheLimitSays) {
  const TransferSlots::Slot first = slots_.Acquire();
  std::optional<TransferSlots::Slot> second = slots_.TryAcquire();
  EXPECT_TRUE(second.has_value());
  EXPECT_EQ(slots_.in_use(), 2u);
  EXPECT_FALSE(slots_.TryAcquire().has_value());
  second.reset();
  EXPECT_EQ(slots_.in_use(), 1u);
  EXPECT_TRUE(slots_.TryAcquire().has_value());
}

TEST_F(TransferSlotsTest, ASlotIsGivenBackOnce) {
  TransferSlots::Slot slot = slots_.Acquire();
  TransferSlots::Slot moved = std::move(slot);
  EXPECT_EQ(slots_.in_use(), 1u);
  moved = slots_.Acquire();
  EXPECT_EQ(slots_.in_use(), 1u);
  moved.Release();
  moved.Release();
  EXPECT_EQ(slots_.in_use(), 0u);
}

TEST_F(TransferSlotsTest, WhoAsksFirstGetsFirst) {
  std::vector<TransferSlots::Slot> held;
  held.push_back(slots_.Acquire());
  held.push_back(slots_.Acquire());
  for (const int number : {1, 2, 3}) StartAcquire(number);
  EXPECT_FALSE(slots_.TryAcquire().has_value());
  held.pop_back();
  EXPECT_FALSE(slots_.TryAcquire().has_value());  // it is the first one's, who may not be awake yet
  EXPECT_THAT(OrderOf(1), ElementsAre(1));
  EXPECT_EQ(slots_.waiting(), 2u);
  ReleaseLast();
  EXPECT_THAT(OrderOf(2), ElementsAre(1, 2));
  held.pop_back();
  EXPECT_THAT(OrderOf(3), ElementsAre(1, 2, 3));
  EXPECT_EQ(slots_.in_use(), 2u);
}

TEST_F(TransferSlotsTest, AHigherLimitLetsInWhoWaits) {
  const TransferSlots::Slot first = slots_.Acquire();
  const TransferSlots::Slot second = slots_.Acquire();
  StartAcquire(1);
  slots_.SetLimit(3);
  EXPECT_THAT(OrderOf(1), ElementsAre(1));
  EXPECT_EQ(slots_.in_use(), 3u);
}

TEST_F(TransferSlotsTest, ALowerLimitHoldsOnceEnoughAreBack) {
  std::vector<TransferSlots::Slot> held;
  held.push_back(slots_.Acquire());
  held.push_back(slots_.Acquire());
  slots_.SetLimit(1);
  EXPECT_EQ(slots_.in_use(), 2u);
  held.pop_back();
  EXPECT_FALSE(slots_.TryAcquire().has_value());
  held.pop_back();
  EXPECT_TRUE(slots_.TryAcquire().has_value());
}

TEST_F(TransferSlotsTest, OneIsTheLeast) {
  slots_.SetLimit(0);
  EXPECT_TRUE(slots_.TryAcquire().has_value());
  EXPECT_TRUE(TransferSlots(0).TryAcquire().has_value());
}

TEST_F(TransferSlotsTest, ShutdownLetsEveryoneGo) {
  const TransferSlots::Slot first = slots_.Acquire();
  const TransferSlots::Slot second = slots_.Acquire();
  StartAcquire(1);
  StartAcquire(2);
  slots_.Shutdown();
  EXPECT_EQ(OrderOf(2).size(), 2u);
  EXPECT_TRUE(slots_.TryAcquire().has_value());
  EXPECT_EQ(slots_.waiting(), 0u);
}

TEST_F(TransferSlotsTest, TheMoreImportantFolderGoesFirst) {
  TransferSlots::Slot first = slots_.Acquire();
  TransferSlots::Slot second = slots_.Acquire();
  StartAcquire(1, FolderPriority::kLow);
  StartAcquire(2);
  StartAcquire(3, FolderPriority::kHigh);
  first.Release();
  EXPECT_THAT(OrderOf(1), ElementsAre(3));
  second.Release();
  EXPECT_THAT(OrderOf(2), ElementsAre(3, 2));
  ReleaseLast();
  EXPECT_THAT(OrderOf(3), ElementsAre(3, 2, 1));
}

TEST_F(TransferSlotsTest, ManyThreadsNeverExceedTheLimit) {
  std::atomic<int> running = 0, most = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 500; ++n) {
        const TransferSlots::Slot slot = slots_.Acquire();
        const int now = ++running;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::yield();
        --running;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 2);
  EXPECT_EQ(slots_.in_use(), 0u);
}

}  // namespace
}  // namespace filesync
