#include "agent/engine/dirty_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RelPath P(const char* path) { return RelPath::Parse(path).value(); }
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

TEST(DirtyQueueTest, GivesWhatIsDueInPathOrderOnce) {
  DirtyQueue queue;
  queue.Add(P("b"), At(0));
  queue.Add(P("a"), At(1));
  queue.Add(P("c"), At(5));
  EXPECT_EQ(queue.NextTime(), At(0));
  EXPECT_THAT(queue.TakeReady(At(1), 10), ElementsAre(P("a"), P("b")));
  EXPECT_THAT(queue.TakeReady(At(1), 10), IsEmpty());
  EXPECT_THAT(queue.TakeReady(At(5), 10), ElementsAre(P("c")));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.NextTime(), absl::InfiniteFuture());
}

TEST(DirtyQueueTest, EarlierMomentsWinUnlessPostponed) {
  DirtyQueue queue;
  queue.Add(P("a"), At(5));
  queue.Add(P("a"), At(2));
  queue.Add(P("a"), At(9));
  EXPECT_EQ(queue.NextTime(), At(2));
  queue.Postpone(P("a"), At(7));
  EXPECT_EQ(queue.NextTime(), At(7));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(DirtyQueueTest, TakesNoMoreThanAsked) {
  DirtyQueue queue;
  for (const char* path : {"a", "b", "c"}) queue.Add(P(path), At(0));
  EXPECT_EQ(queue.TakeReady(At(0), 2).size(), 2u);
  queue.Remove(P("a"));
  queue.Remove(P("c"));
  EXPECT_TRUE(queue.empty());
}

TEST(DirtyQueueTest, TheFirstTwoCostlySavesGoAtOnce) {
  DirtyQueue queue;
  queue.Handled(P("big"), At(2), absl::Seconds(2));
  queue.Add(P("big"), At(2));
  EXPECT_EQ(queue.NextTime(), At(2));
}

TEST(DirtyQueueTest, WhatKeepsChangingRestsInProportionToItsCost) {
  DirtyQueue queue;
  double now = 0;
  for (const double rest : {0., 2., 4., 6., 6.}) {
    now += 2;
    queue.Handled(P("log"), At(now), absl::Seconds(2));
    queue.Add(P("log"), At(now));
    EXPECT_EQ(queue.NextTime(), At(now + rest));
    now += rest;
    ASSERT_EQ(queue.TakeReady(At(now), 1).size(), 1u);
  }
}

TEST(DirtyQueueTest, NoRestIsLongerThanTenSecondsAndQuietEndsIt) {
  DirtyQueue queue;
  double now = 0;
  for (int i = 0; i < 5; ++i) {
    now += 100;
    queue.Handled(P("vm"), At(now), absl::Seconds(100));
  }
  queue.Add(P("vm"), At(now));
  EXPECT_EQ(queue.NextTime(), At(now + 10));
  queue.TakeReady(At(now + 10), 1);
  now += 10 + 60 + 100;
  queue.Handled(P("vm"), At(now), absl::Seconds(100));
  queue.Add(P("vm"), At(now));
  EXPECT_EQ(queue.NextTime(), At(now));
}

TEST(DirtyQueueTest, CheapSavesNeverRest) {
  DirtyQueue queue;
  for (int i = 0; i < 10; ++i) queue.Handled(P("note"), At(i), absl::Milliseconds(5));
  queue.Add(P("note"), At(9));
  EXPECT_EQ(queue.NextTime(), At(9));
}

}  // namespace
}  // namespace filesync
