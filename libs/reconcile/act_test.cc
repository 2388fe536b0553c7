#include "libs/reconcile/act.h"

#include <gtest/gtest.h>

#include <string>

namespace filesync {
namespace {

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1000);

RelPath Path(int number) { return *RelPath::Parse("file-" + std::to_string(number)); }

TEST(ActTest, DeletionsOfOneActAddUp) {
  Act act((BrakeLimit()));
  EXPECT_FALSE(act.Holds({.deleted = 40}, 100, kStart));
  act.Deleted(40, kStart);
  EXPECT_FALSE(act.Holds({.deleted = 10}, 60, kStart + absl::Minutes(4)));
  EXPECT_TRUE(act.Holds({.deleted = 11}, 60, kStart + absl::Minutes(4)));
  // Later it is another act.
  EXPECT_FALSE(act.Holds({.deleted = 30}, 60, kStart + absl::Minutes(6)));
  EXPECT_TRUE(act.Holds({.deleted = 31}, 60, kStart + absl::Minutes(6)));
}

TEST(ActTest, AnActEndsAfterAnHour) {
  Act act((BrakeLimit()));
  absl::Time now = kStart;
  for (int i = 0; i < 15; ++i) {
    EXPECT_FALSE(act.Holds({.deleted = 3}, 100 - 3 * i, now));
    act.Deleted(3, now);
    now += absl::Minutes(4);
  }
  // After 45 of 100 entries in 56 minutes.
  EXPECT_TRUE(act.Holds({.deleted = 6}, 55, now));
  EXPECT_FALSE(act.Holds({.deleted = 26}, 55, now + absl::Minutes(4)));
}

TEST(ActTest, WhatIsMadeAgainOrMovedDoesNotCount) {
  Act act((BrakeLimit()));
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(act.Holds({.deleted = 40}, 100, kStart));
    act.Deleted(40, kStart);
  }
  // All of it was made elsewhere before it goes.
  EXPECT_FALSE(act.Holds({.deleted = 100}, 200, kStart));
}

TEST(ActTest, ScrambledFilesDoNotMakeUpForDeletions) {
  Act act((BrakeLimit()));
  for (int i = 0; i < 100; ++i) act.MadeScrambled(Path(i), kStart);
  EXPECT_TRUE(act.Holds({.deleted = 100}, 200, kStart));
  for (int i = 0; i < 100; ++i) act.Gone(Path(i));
  EXPECT_FALSE(act.Holds({.deleted = 100}, 200, kStart));
}

TEST(ActTest, ReplacementsCountOncePerPathAndBesideDeletions) {
  Act act((BrakeLimit()));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 20; ++i) act.Replaced(Path(i), kStart);
  }
  EXPECT_FALSE(act.Holds({.replaced = 30}, 100, kStart));
  EXPECT_TRUE(act.Holds({.replaced = 31}, 100, kStart));
  EXPECT_TRUE(act.Holds({.deleted = 16, .replaced = 15}, 100, kStart));
}

TEST(ActTest, WhatIsHeldTakesTheRestOfTheActWithIt) {
  Act act((BrakeLimit()));
  EXPECT_TRUE(act.Holds({.deleted = 55}, 100, kStart));
  act.Kept({.deleted = 55}, kStart);
  EXPECT_TRUE(act.Holds({.deleted = 5}, 100, kStart));
  EXPECT_TRUE(act.Holds({.replaced = 1}, 100, kStart));
  EXPECT_FALSE(act.Few(1, kStart));
  EXPECT_FALSE(act.Holds({.deleted = 5}, 100, kStart + absl::Minutes(6)));
}

TEST(ActTest, FewNeedNotWait) {
  Act act((BrakeLimit()));
  EXPECT_TRUE(act.Few(3, kStart));
  EXPECT_FALSE(act.Few(4, kStart));
  act.Saw(100, kStart);
  act.Deleted(2, kStart);
  EXPECT_TRUE(act.Few(1, kStart));
  EXPECT_FALSE(act.Few(2, kStart));
  // They count when more follow.
  EXPECT_FALSE(act.Holds({.deleted = 48}, 98, kStart));
  EXPECT_TRUE(act.Holds({.deleted = 49}, 98, kStart));
  act.End();
  EXPECT_TRUE(act.Few(3, kStart));
  EXPECT_FALSE(Act(*BrakeLimit::Parse("2")).Few(3, kStart));
  EXPECT_TRUE(Act(*BrakeLimit::Parse("off")).Few(1000, kStart));
}

Content Of(std::initializer_list<int> chunks, uint32_t average = 1 << 16) {
  Content content;
  content.average_size = average;
  for (const int chunk : chunks) {
    ChunkRef ref;
    ref.id.data()[0] = static_cast<uint8_t>(chunk);
    ref.size = average;
    content.size += ref.size;
    content.refs.push_back(ref);
    content.hash.data()[content.refs.size()] = static_cast<uint8_t>(chunk);
  }
  return content;
}

TEST(UnrelatedTest, SmallFilesGoByTheirLooks) {
  EXPECT_TRUE(Unrelated(Of({1}), Of({2}), Looks::kScrambled));
  EXPECT_FALSE(Unrelated(Of({1}), Of({1}), Looks::kScrambled));
  for (const Looks looks : {Looks::kText, Looks::kKnown, Looks::kOther}) {
    EXPECT_FALSE(Unrelated(Of({1}), Of({2}), looks));
  }
}

TEST(UnrelatedTest, LargerFilesAlsoByWhatTheyShare) {
  EXPECT_FALSE(Unrelated(Of({1, 2}), Of({2, 3}), Looks::kScrambled));
  EXPECT_TRUE(Unrelated(Of({1, 2}), Of({3, 4}), Looks::kOther));
  EXPECT_FALSE(Unrelated(Of({1, 2}), Of({3, 4}), Looks::kText));
  EXPECT_FALSE(Unrelated(Of({1, 2}), Of({3, 4}), Looks::kKnown));
  // Cut by another measure they can't be compared.
  EXPECT_FALSE(Unrelated(Of({1, 2}), Of({3, 4}, 1 << 17), Looks::kOther));
}

TEST(UnrelatedTest, EmptiedAndBlankedFilesAreLost) {
  EXPECT_TRUE(Unrelated(Of({1}), Content(), Looks::kBlank));
  EXPECT_TRUE(Unrelated(Of({1, 2}), Of({3}), Looks::kBlank));
  EXPECT_FALSE(Unrelated(Content(), Of({1}), Looks::kScrambled));
}

}  // namespace
}  // namespace filesync
