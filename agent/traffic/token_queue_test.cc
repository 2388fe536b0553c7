#include "agent/traffic/token_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <list>
#include <random>
#include <utility>
#include <vector>

namespace filesync {
namespace {

constexpr uint64_t kRate = 1'000'000;
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

TEST(TokenQueueTest, ARequestTakesItsBytesAsTheyCome) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request request{500'000};
  queue.Add(&request, TransferPriority::kBulk, kStart);
  queue.Advance(At(0.2));
  EXPECT_EQ(request.missing, 300'000u);
  EXPECT_EQ(queue.front(), &request);
  EXPECT_EQ(queue.UntilFrontIsServed(), absl::Milliseconds(300));
  queue.Advance(At(0.4));
  queue.Advance(At(0.5));
  EXPECT_EQ(request.missing, 0u);
  EXPECT_EQ(queue.front(), nullptr);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(TokenQueueTest, AnIdleBucketHoldsABurstAndNoMore) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request request{1'000'000};
  queue.Add(&request, TransferPriority::kBulk, At(100));
  EXPECT_EQ(request.missing, 750'000u);
}

TEST(TokenQueueTest, WhoComesFirstIsServedFirst) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request large{200'000}, small{10};
  queue.Add(&large, TransferPriority::kBulk, kStart);
  queue.Add(&small, TransferPriority::kBulk, kStart);
  queue.Advance(At(0.19));
  EXPECT_EQ(small.missing, 10u);
  queue.Advance(At(0.20001));
  EXPECT_EQ(large.missing, 0u);
  EXPECT_EQ(small.missing, 0u);
}

TEST(TokenQueueTest, AnInteractiveRequestWaitsForItsOwnBytesOnly) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request large{100'000'000}, next{100'000'000}, small{64 * 1024};
  queue.Add(&large, TransferPriority::kBulk, kStart);
  queue.Add(&next, TransferPriority::kBulk, kStart);
  queue.Advance(At(0.1));
  const uint64_t missing = large.missing;
  queue.Add(&small, TransferPriority::kInteractive, At(0.1));
  EXPECT_EQ(queue.front(), &small);
  EXPECT_LT(queue.UntilFrontIsServed(), absl::Milliseconds(66));
  queue.Advance(At(0.166));
  EXPECT_EQ(small.missing, 0u);
  EXPECT_EQ(queue.front(), &large);
  EXPECT_EQ(large.missing, missing - (66'000 - 64 * 1024));  // from the same bucket
}

TEST(TokenQueueTest, WhatCameInBeforeARequestIsForThoseBeforeIt) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request large{1'000'000}, small{10};
  queue.Add(&large, TransferPriority::kBulk, kStart);
  queue.Add(&small, TransferPriority::kInteractive, At(0.1));
  EXPECT_EQ(large.missing, 900'000u);
  EXPECT_EQ(small.missing, 10u);
}

TEST(TokenQueueTest, ANewRateCountsFromItsMomentOn) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request request{10'000'000};
  queue.Add(&request, TransferPriority::kBulk, kStart);
  queue.SetRate(10 * kRate, At(0.1));
  EXPECT_EQ(request.missing, 9'900'000u);
  queue.Advance(At(0.2));
  EXPECT_EQ(request.missing, 8'900'000u);
  queue.SetRate(kRate, At(0.2));
  queue.Advance(At(0.3));
  EXPECT_EQ(request.missing, 8'800'000u);
}

TEST(TokenQueueTest, ALowerRateLeavesNoLargeBurst) {
  TokenQueue queue(100 * kRate, kStart);
  queue.SetRate(kRate, At(10));
  TokenQueue::Request request{1'000'000};
  queue.Add(&request, TransferPriority::kBulk, At(10));
  queue.Advance(At(10));
  EXPECT_EQ(request.missing, 750'000u);
}

TEST(TokenQueueTest, WithoutALimitAllIsGrantedAndNothingIsSaved) {
  for (const ByteRate none : {ByteRate(), ByteRate(0)}) {
    TokenQueue queue(kRate, kStart);
    TokenQueue::Request waits{10'000'000}, urgent{10}, comes{10'000'000}, later{1'000};
    queue.Add(&waits, TransferPriority::kBulk, kStart);
    queue.Add(&urgent, TransferPriority::kInteractive, kStart);
    queue.SetRate(none, kStart);
    queue.Add(&comes, TransferPriority::kBulk, kStart);
    EXPECT_EQ(waits.missing + urgent.missing + comes.missing, 0u);
    EXPECT_EQ(queue.rate(), std::nullopt);
    queue.SetRate(kRate, At(10));
    queue.Add(&later, TransferPriority::kBulk, At(10));
    queue.Advance(At(10));
    EXPECT_EQ(later.missing, 1'000u);
  }
}

TEST(TokenQueueTest, AClockThatIsSetBringsNoMoreThanABurst) {
  TokenQueue queue(kRate, kStart);
  TokenQueue::Request request{1'000'000};
  queue.Add(&request, TransferPriority::kBulk, kStart);
  queue.Advance(At(-3600));
  EXPECT_EQ(request.missing, 1'000'000u);
  queue.Advance(At(-3600 + 0.1));
  EXPECT_EQ(request.missing, 900'000u);
  queue.Advance(At(3600));
  EXPECT_EQ(request.missing, 650'000u);
}

TEST(TokenQueueTest, AByteASecondPassesToo) {
  TokenQueue queue(1, kStart);
  TokenQueue::Request request{3};
  queue.Add(&request, TransferPriority::kBulk, kStart);
  for (int i = 1; i <= 31; ++i) queue.Advance(At(0.1 * i));
  EXPECT_EQ(request.missing, 0u);
}

// Callers who always want more, of any sizes and priorities, served at uneven times.
RC_GTEST_PROP(TokenQueueProperty, AnyTenSecondsPassTheRateWithinATenth, ()) {
  const uint64_t rate = *rc::gen::element<uint64_t>(10'000, kRate, 1'000'000'000);
  std::mt19937_64 random(*rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<uint32_t>())));
  const auto up_to = [&random](uint64_t most) {
    return std::uniform_int_distribution<uint64_t>(1, most)(random);
  };
  TokenQueue queue(rate, kStart);
  std::list<TokenQueue::Request> requests;
  std::vector<std::pair<absl::Time, uint64_t>> passed;  // in total, by moment
  uint64_t asked = 0, missing = 0;
  for (absl::Time now = kStart; now < At(30); now += absl::Milliseconds(up_to(249))) {
    while (missing < rate) {
      requests.push_back({up_to(up_to(2) == 1 ? rate / 10 : 4 * rate)});
      asked += requests.back().missing;
      missing += requests.back().missing;
      queue.Add(&requests.back(),
                up_to(2) == 1 ? TransferPriority::kInteractive : TransferPriority::kBulk, now);
    }
    queue.Advance(now);
    missing = 0;
    for (const TokenQueue::Request& request : requests) missing += request.missing;
    passed.emplace_back(now, asked - missing);
  }
  for (const auto& [begin, before] : passed) {
    for (const auto& [end, after] : passed) {
      if (end - begin < absl::Seconds(10)) continue;
      const double expected = static_cast<double>(rate) * absl::ToDoubleSeconds(end - begin);
      RC_ASSERT(static_cast<double>(after - before) > 0.9 * expected);
      RC_ASSERT(static_cast<double>(after - before) < 1.1 * expected);
    }
  }
}

TEST(TokenQueueTest, AmongEqualsTheMoreImportantFolderGoesFirst) {
  TokenQueue queue(1000, kStart);
  TokenQueue::Request low{100}, normal{100}, high{100}, interactive{100};
  queue.Add(&low, TransferPriority::kBulk, kStart, FolderPriority::kLow);
  queue.Add(&normal, TransferPriority::kBulk, kStart);
  queue.Add(&high, TransferPriority::kBulk, kStart, FolderPriority::kHigh);
  queue.Add(&interactive, TransferPriority::kInteractive, kStart, FolderPriority::kLow);
  queue.Advance(kStart + absl::Milliseconds(100));
  EXPECT_EQ(interactive.missing, 0u);
  EXPECT_EQ(queue.front(), &high);
  queue.Advance(kStart + absl::Milliseconds(200));
  EXPECT_EQ(high.missing, 0u);
  EXPECT_EQ(queue.front(), &normal);
  queue.Advance(kStart + absl::Milliseconds(300));
  EXPECT_EQ(normal.missing, 0u);
  EXPECT_EQ(queue.front(), &low);
}

}  // namespace
}  // namespace filesync
