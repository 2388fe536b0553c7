#include "libs/chunk_store/space_reserve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/chunk_store/decorators.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class SpaceReserveTest : public testing::Test {
 protected:
  SpaceReserve::Disk disk_{.free = 400 * kMiB, .size = 1000 * kMiB};
  std::vector<std::string> said_;
  Logger log_{LogLevel::kInfo,
              [this](LogLevel, std::string_view line) { said_.emplace_back(line); }};
  SpaceReserve reserve_{[this] { return disk_; }, &log_};
};

TEST_F(SpaceReserveTest, KeepsATenthOfASmallDiskAndSoMuchOfALargeOne) {
  EXPECT_TRUE(reserve_.ForContent(300 * kMiB).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(reserve_.ForContent(301 * kMiB)));
  disk_ = {.free = 1000 * kMiB, .size = 1000 * 1000 * kMiB};
  EXPECT_TRUE(reserve_.ForContent(1000 * kMiB - SpaceReserve::kMostKept).ok());
  EXPECT_FALSE(reserve_.ForContent(1001 * kMiB - SpaceReserve::kMostKept).ok());
  disk_.free = 0;
  EXPECT_FALSE(reserve_.ForContent(0).ok());
}

TEST_F(SpaceReserveTest, EntriesMayTakeMostOfWhatIsKept) {
  disk_.free = 26 * kMiB;
  EXPECT_FALSE(reserve_.ForContent(1).ok());
  EXPECT_TRUE(reserve_.ForEntries().ok());
  disk_.free = 24 * kMiB;
  EXPECT_TRUE(absl::IsResourceExhausted(reserve_.ForEntries()));
}

TEST_F(SpaceReserveTest, SaysOnceThatItIsFullAndOnceThatThereIsRoom) {
  EXPECT_FALSE(reserve_.Refusing());
  disk_.free = 100 * kMiB;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(reserve_.ForContent(1).ok());
  EXPECT_TRUE(reserve_.Refusing());
  // A little room is not said, so that the two do not take turns.
  disk_.free = 110 * kMiB;
  EXPECT_TRUE(reserve_.ForContent(1).ok());
  reserve_.Note(absl::OkStatus());
  EXPECT_FALSE(reserve_.ForContent(11 * kMiB).ok());
  EXPECT_EQ(said_.size(), 1u);
  disk_.free = 200 * kMiB;
  EXPECT_FALSE(reserve_.Refusing());
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_THAT(said_[0], testing::HasSubstr("the disk is full"));
  EXPECT_THAT(said_[1], testing::HasSubstr("has room again"));
}

TEST_F(SpaceReserveTest, WhatTheStoreFindsCountsToo) {
  for (int i = 0; i < 2; ++i) reserve_.Note(absl::ResourceExhaustedError("quota exceeded"));
  EXPECT_TRUE(reserve_.Refusing());
  reserve_.Note(absl::InternalError("not about room"));
  EXPECT_TRUE(reserve_.Refusing());
  reserve_.Note(absl::OkStatus());
  EXPECT_FALSE(reserve_.Refusing());
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_THAT(said_[0], testing::HasSubstr("quota exceeded"));
}

TEST_F(SpaceReserveTest, AStoreTakesNoMoreThanThereIsRoomFor) {
  const auto store = NewReservingChunkStore(NewMemoryChunkStore(), &reserve_);
  const std::string plain = "plain";
  const StoredChunk chunk{HashChunk(ChunkKind::kData, plain), ChunkKind::kData,
                          absl::Cord(EncodeFrame(plain))};
  disk_.free = 100 * kMiB;
  EXPECT_TRUE(absl::IsResourceExhausted(store->Put({chunk})));
  EXPECT_THAT(*store->Has({chunk.id}), testing::ElementsAre(false));
  disk_.free = 400 * kMiB;
  EXPECT_TRUE(store->Put({chunk}).ok());
  disk_.free = 0;
  EXPECT_THAT(*store->Has({chunk.id}), testing::ElementsAre(true));
  EXPECT_TRUE((*store->Get({chunk.id}))[0].has_value());
  EXPECT_TRUE(store->Delete({chunk.id}).ok());
}

}  // namespace
}  // namespace filesync
