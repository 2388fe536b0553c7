#include "agent/engine/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace filesync {
namespace {

constexpr auto kUp = TransferDirection::kUp;
constexpr auto kDown = TransferDirection::kDown;

RelPath P(const std::string& path) { return RelPath::Parse(path).value(); }

class ProgressTest : public testing::Test {
 protected:
  SyncProgress After(absl::Duration duration) {
    now_ += duration;
    return tracker_.Sample(now_);
  }
  SyncProgress Now() { return After(absl::ZeroDuration()); }

  ProgressTracker tracker_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(ProgressTest, AFileEndsAtItsSizeHoweverMuchTravelled) {
  tracker_.Plan(kUp, P("a"), 100);
  EXPECT_EQ(Now().files_to_move, 1);
  EXPECT_TRUE(Now().transfers.empty());
  tracker_.Begin(kUp, P("a"), 100, 40);
  tracker_.Advance(kUp, P("a"), 10);
  SyncProgress progress = Now();
  ASSERT_EQ(progress.transfers.size(), 1);
  EXPECT_EQ(progress.transfers[0].bytes_done, 50);
  EXPECT_EQ(progress.bytes_moved, 50);
  EXPECT_EQ(progress.bytes_to_move, 100);
  // Never beyond it.
  tracker_.Advance(kUp, P("a"), 1000);
  EXPECT_EQ(Now().bytes_moved, 100);
  tracker_.Finish(kUp, P("a"));
  progress = Now();
  EXPECT_EQ(progress.files_moved, 1);
  EXPECT_EQ(progress.bytes_moved, 100);
  EXPECT_FALSE(progress.Active());
  EXPECT_EQ(tracker_.finished(), 1);
}

TEST_F(ProgressTest, WhatIsDroppedCountsForNothing) {
  tracker_.Plan(kUp, P("a"), 100);
  tracker_.Begin(kDown, P("b"), 10, 5);
  tracker_.Drop(P("a"));
  tracker_.Drop(P("b"));
  tracker_.Drop(P("unknown"));
  tracker_.Finish(kUp, P("a"));
  const SyncProgress progress = Now();
  EXPECT_EQ(progress.files_to_move, 0);
  EXPECT_EQ(progress.bytes_to_move, 0);
  EXPECT_EQ(progress.bytes_moved, 0);
}

TEST_F(ProgressTest, AnotherAttemptBeginsAnew) {
  tracker_.Begin(kUp, P("a"), 100, 0);
  tracker_.Advance(kUp, P("a"), 60);
  tracker_.Plan(kUp, P("a"), 200);
  EXPECT_EQ(Now().bytes_moved, 0);
  EXPECT_EQ(Now().bytes_to_move, 200);
  EXPECT_EQ(Now().files_to_move, 1);
}

TEST_F(ProgressTest, WaitingFilesCountUntilTheyAreTaken) {
  tracker_.AddWaiting(10, 1000);
  tracker_.TakeWaiting(1, 100);
  tracker_.Plan(kUp, P("a"), 100);
  EXPECT_EQ(Now().files_to_move, 10);
  EXPECT_EQ(Now().bytes_to_move, 1000);
  // More is taken than was counted.
  tracker_.TakeWaiting(100, 10);
  EXPECT_EQ(Now().files_to_move, 1);
  tracker_.ClearWaiting();
  EXPECT_EQ(Now().bytes_to_move, 100);
}

TEST_F(ProgressTest, AStretchEndsWhenAllIsInSync) {
  tracker_.Begin(kUp, P("a"), 100, 0);
  tracker_.Finish(kUp, P("a"));
  tracker_.Settle();
  EXPECT_EQ(Now().files_moved, 1);
  tracker_.Plan(kDown, P("b"), 7);
  EXPECT_EQ(Now().files_moved, 0);
  EXPECT_EQ(Now().bytes_to_move, 7);
}

TEST_F(ProgressTest, SpeedAndWhatIsLeft) {
  tracker_.Begin(kUp, P("a"), 100'000, 0);
  (void)After(absl::Milliseconds(100));
  EXPECT_FALSE(Now().eta.has_value());
  SyncProgress progress;
  for (int i = 0; i < 50; ++i) {
    tracker_.Advance(kUp, P("a"), 1000);
    progress = After(absl::Milliseconds(100));
  }
  EXPECT_NEAR(progress.bytes_per_second, 10'000, 1);
  EXPECT_EQ(progress.eta, absl::Seconds(5));
  // It stalls: slower and slower.
  progress = After(absl::Seconds(1));
  EXPECT_LT(progress.bytes_per_second, 10'000);
  EXPECT_GT(progress.bytes_per_second, 5'000);
  // A clock that was put back does no harm.
  progress = After(-absl::Seconds(100));
  EXPECT_GT(progress.bytes_per_second, 0);
  tracker_.Finish(kUp, P("a"));
  EXPECT_EQ(After(absl::Seconds(1)).bytes_per_second, 0);
}

TEST_F(ProgressTest, TheOldestTransfersAreTold) {
  for (int i = 0; i < 100; ++i) tracker_.Begin(kUp, P("f" + std::to_string(i)), 10, 0);
  const SyncProgress progress = Now();
  ASSERT_EQ(progress.transfers.size(), kTransfersTold);
  for (size_t i = 0; i < kTransfersTold; ++i) {
    EXPECT_EQ(progress.transfers[i].path, P("f" + std::to_string(i)));
  }
}

TEST_F(ProgressTest, SumOfLocations) {
  tracker_.Begin(kUp, P("a"), 100, 50);
  ProgressTracker other;
  other.Begin(kDown, P("b"), 10, 0);
  other.SavedByCompression(3);
  tracker_.SavedByDeduplication(4);
  const SyncProgress sum = Sum({Now(), other.Sample(now_)});
  EXPECT_EQ(sum.bytes_to_move, 110);
  EXPECT_EQ(sum.files_to_move, 2);
  EXPECT_EQ(sum.transfers.size(), 2);
  EXPECT_EQ(sum.bytes_saved_by_compression, 3);
  EXPECT_EQ(sum.bytes_saved_by_deduplication, 4);
}

}  // namespace
}  // namespace filesync
