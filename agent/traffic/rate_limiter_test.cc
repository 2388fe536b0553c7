#include "agent/traffic/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <list>
#include <thread>
#include <vector>

namespace filesync {
namespace {

constexpr uint64_t kRate = 1'000'000;
constexpr absl::Duration kStep = absl::Milliseconds(10);
constexpr absl::Duration kDeadline = absl::Seconds(60);

class RateLimiterTest : public testing::Test {
 protected:
  ~RateLimiterTest() override {
    limiter_.Shutdown();
    for (std::thread& thread : threads_) thread.join();
  }

  // On a thread of its own, whose end is told by what is returned; returns when it waits.
  const std::atomic<bool>& StartAcquire(size_t bytes, TransferPriority priority) {
    const size_t before = limiter_.waiting();
    std::atomic<bool>& done = done_.emplace_back(false);
    threads_.emplace_back([this, bytes, priority, &done] {
      limiter_.Acquire(bytes, priority);
      done = true;
    });
    EXPECT_TRUE(Eventually([&] { return limiter_.waiting() > before; }));
    return done;
  }

  static bool Eventually(const std::function<bool()>& holds) {
    const absl::Time deadline = absl::Now() + kDeadline;
    while (!holds()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }

  // Lets simulated time pass in steps until `waiting` callers are left; how much did. Setting
  // the rate hands out what came in, so this does not depend on when threads run.
  absl::Duration PassTimeUntilWaiting(size_t waiting) {
    const absl::Time start = clock_.Now();
    while (limiter_.waiting() > waiting && clock_.Now() < start + absl::Hours(1)) {
      clock_.Advance(kStep);
      limiter_.SetRate(limiter_.rate());
    }
    return clock_.Now() - start;
  }

  SimulatedClock clock_{absl::UnixEpoch()};
  RateLimiter limiter_{kRate, &clock_};
  std::list<std::atomic<bool>> done_;
  std::atomic<int> finished_ = 0;
  std::vector<std::thread> threads_;
};

TEST_F(RateLimiterTest, ALargeRequestTakesAsLongAsItsBytesNeed) {
  const auto& done = StartAcquire(3 * kRate, TransferPriority::kBulk);
  const absl::Duration passed = PassTimeUntilWaiting(0);
  EXPECT_GE(passed, absl::Seconds(3));
  EXPECT_LE(passed, absl::Seconds(3) + kStep);
  EXPECT_TRUE(Eventually([&] { return done.load(); }));
}

TEST_F(RateLimiterTest, AWaiterSeesTheClockMoveByItself) {
  const auto& done = StartAcquire(kRate / 10, TransferPriority::kBulk);
  EXPECT_FALSE(done);
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_TRUE(Eventually([&] { return done.load(); }));
}

TEST_F(RateLimiterTest, InteractiveComesBeforeBulkAndFirstBeforeSecond) {
  const auto& first = StartAcquire(10 * kRate, TransferPriority::kBulk);
  const auto& second = StartAcquire(10, TransferPriority::kBulk);
  clock_.Advance(absl::Milliseconds(100));
  const auto& interactive = StartAcquire(64 * 1024, TransferPriority::kInteractive);
  EXPECT_LE(PassTimeUntilWaiting(2), absl::Milliseconds(70));
  EXPECT_TRUE(Eventually([&] { return interactive.load(); }));
  EXPECT_FALSE(first);
  EXPECT_FALSE(second);
  // The second's few bytes come with the first's last.
  EXPECT_GE(PassTimeUntilWaiting(1), absl::Seconds(9.8));
  PassTimeUntilWaiting(0);
  EXPECT_TRUE(Eventually([&] { return first && second; }));
}

TEST_F(RateLimiterTest, WhoBecomesFirstLooksAtTheClock) {
  const auto& bulk = StartAcquire(1'000, TransferPriority::kBulk);
  const auto& interactive = StartAcquire(1'000, TransferPriority::kInteractive);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(Eventually([&] { return interactive.load(); }));
  EXPECT_FALSE(bulk);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(Eventually([&] { return bulk.load(); }));
}

TEST_F(RateLimiterTest, ANewRateIsForThoseWhoWaitToo) {
  const auto& done = StartAcquire(10 * kRate, TransferPriority::kBulk);
  limiter_.SetRate(10 * kRate);
  EXPECT_EQ(limiter_.rate(), 10 * kRate);
  EXPECT_LE(PassTimeUntilWaiting(0), absl::Seconds(1) + kStep);
  EXPECT_TRUE(Eventually([&] { return done.load(); }));
}

TEST_F(RateLimiterTest, AWaiterNoticesANewRateByItself) {
  const auto& done = StartAcquire(1'000 * kRate, TransferPriority::kBulk);
  limiter_.SetRate(1'000'000 * kRate);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(Eventually([&] { return done.load(); }));
}

TEST_F(RateLimiterTest, NoLimitLetsThemGoWithoutAnyTime) {
  const auto& bulk = StartAcquire(10 * kRate, TransferPriority::kBulk);
  const auto& interactive = StartAcquire(10 * kRate, TransferPriority::kInteractive);
  limiter_.SetRate(std::nullopt);
  EXPECT_TRUE(Eventually([&] { return bulk && interactive; }));
  limiter_.Acquire(~size_t{0});
  limiter_.SetRate(0);
  limiter_.Acquire(~size_t{0});
}

TEST_F(RateLimiterTest, ALimitAfterNoneHolds) {
  limiter_.SetRate(std::nullopt);
  limiter_.Acquire(kRate);
  clock_.Advance(absl::Hours(1));
  limiter_.SetRate(kRate);
  StartAcquire(kRate, TransferPriority::kBulk);
  EXPECT_GE(PassTimeUntilWaiting(0), absl::Seconds(1));
}

TEST_F(RateLimiterTest, ShutdownLetsEveryoneGoForGood) {
  const auto& bulk = StartAcquire(~size_t{0}, TransferPriority::kBulk);
  const auto& interactive = StartAcquire(~size_t{0}, TransferPriority::kInteractive);
  limiter_.Shutdown();
  EXPECT_TRUE(Eventually([&] { return bulk && interactive; }));
  limiter_.SetRate(1);
  limiter_.Acquire(~size_t{0});
  EXPECT_EQ(limiter_.waiting(), 0u);
}

TEST_F(RateLimiterTest, NothingIsFree) {
  limiter_.Acquire(0);
  EXPECT_EQ(limiter_.waiting(), 0u);
}

TEST_F(RateLimiterTest, ManyThreadsShareOneRate) {
  for (int i = 0; i < 8; ++i) {
    threads_.emplace_back([this, i] {
      const auto priority = i % 2 == 0 ? TransferPriority::kInteractive : TransferPriority::kBulk;
      for (int n = 0; n < 50; ++n) limiter_.Acquire(kRate / 100, priority);
      ++finished_;
    });
  }
  const absl::Time start = clock_.Now();
  EXPECT_TRUE(Eventually([&] {
    clock_.Advance(kStep);
    return finished_ == 8;
  }));
  EXPECT_GE(clock_.Now() - start, absl::Seconds(4));
}

TEST(RateLimiterOnRealTimeTest, WaitsAndReturns) {
  RealClock clock;
  RateLimiter limiter(kRate, &clock);
  const absl::Time start = absl::Now();
  for (int i = 0; i < 10; ++i) limiter.Acquire(kRate / 100);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(99));
}

}  // namespace
}  // namespace filesync
