#include "services/chunk/staged_bytes.h"

#include <gtest/gtest.h>

namespace filesync {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
const std::string kAgent(16, 'a');

TEST(StagedBytesTest, LimitIsPerAgentAndFolderAndLiftedByACommit) {
  SimulatedClock clock(absl::UnixEpoch());
  StagedBytes staged(&clock, [] { return uint64_t{0}; });
  EXPECT_TRUE(staged.Add(1, kAgent, 2 * kGiB).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(staged.Add(1, kAgent, 1)));
  EXPECT_TRUE(staged.Add(2, kAgent, 2 * kGiB).ok());
  EXPECT_TRUE(staged.Add(1, std::string(16, 'b'), 2 * kGiB).ok());
  staged.Reset(1, kAgent);
  EXPECT_TRUE(staged.Add(1, kAgent, 2 * kGiB).ok());
}

TEST(StagedBytesTest, RoomOnTheDiskAllowsForLargerFiles) {
  SimulatedClock clock(absl::UnixEpoch());
  uint64_t free_bytes = 40 * kGiB;
  StagedBytes staged(&clock, [&] { return free_bytes; });
  EXPECT_TRUE(staged.Add(1, kAgent, 9 * kGiB).ok());
  free_bytes = 31 * kGiB;
  EXPECT_TRUE(absl::IsResourceExhausted(staged.Add(1, kAgent, 1)));
}

TEST(StagedBytesTest, AnHourLaterItNoLongerCounts) {
  SimulatedClock clock(absl::UnixEpoch());
  StagedBytes staged(&clock, [] { return uint64_t{0}; });
  EXPECT_TRUE(staged.Add(1, kAgent, 2 * kGiB).ok());
  clock.Advance(absl::Minutes(59));
  EXPECT_FALSE(staged.Add(1, kAgent, 1).ok());
  clock.Advance(absl::Minutes(2));
  EXPECT_TRUE(staged.Add(1, kAgent, 2 * kGiB).ok());
}

}  // namespace
}  // namespace filesync
