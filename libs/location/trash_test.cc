#include "libs/location/trash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

TrashedFile File(const std::string& name, absl::Duration age, uint64_t bytes) {
  return {name, absl::ToUnixSeconds(kNow - age), 0, bytes};
}

std::vector<std::string> Gone(std::vector<TrashedFile> files, const TrashLimits& limits) {
  std::vector<std::string> names;
  for (const TrashedFile& file : BeyondLimits(std::move(files), limits, kNow)) {
    names.push_back(file.name);
  }
  return names;
}

TEST(TrashTest, WhatIsOldGoes) {
  const std::vector<TrashedFile> files = {File("new", absl::Hours(1), 10),
                                          File("old", absl::Hours(49), 10),
                                          File("older", absl::Hours(50), 10)};
  EXPECT_THAT(Gone(files, {absl::Hours(48), UINT64_MAX}), ElementsAre("older", "old"));
  EXPECT_THAT(Gone(files, {absl::InfiniteDuration(), UINT64_MAX}), IsEmpty());
  EXPECT_THAT(Gone(files, {absl::Minutes(1), UINT64_MAX}), ElementsAre("older", "old", "new"));
}

TEST(TrashTest, TheOldestGoUntilTheRestFits) {
  const std::vector<TrashedFile> files = {
      File("c", absl::Hours(1), 40), File("a", absl::Hours(3), 50), File("b", absl::Hours(2), 60)};
  const auto limit = [](uint64_t bytes) { return TrashLimits{absl::InfiniteDuration(), bytes}; };
  EXPECT_THAT(Gone(files, limit(150)), IsEmpty());
  EXPECT_THAT(Gone(files, limit(149)), ElementsAre("a"));
  EXPECT_THAT(Gone(files, limit(100)), ElementsAre("a"));
  EXPECT_THAT(Gone(files, limit(99)), ElementsAre("a", "b"));
}

TEST(TrashTest, WhatCameLastStaysHoweverLargeItIs) {
  const TrashLimits small{absl::InfiniteDuration(), 1};
  EXPECT_THAT(Gone({File("huge", absl::Hours(1), 1000)}, small), IsEmpty());
  EXPECT_THAT(
      Gone({File("huge", absl::Hours(1), 1000), File("last", absl::ZeroDuration(), 5)}, small),
      ElementsAre("huge"));
  std::vector<TrashedFile> at_once = {File("second", absl::Hours(1), 5),
                                      File("first", absl::Hours(1), 5)};
  at_once[0].ctime_ns = 2;
  at_once[1].ctime_ns = 1;
  EXPECT_THAT(Gone(at_once, small), ElementsAre("first"));
}

TEST(TrashTest, OnlyNamesThatWereGivenHereTellATime) {
  EXPECT_EQ(TrashedAt("1700000000-0011aabb-name"), 1'700'000'000);
  for (const char* name : {"", "1700000000", "name", "17x-a", "99999999999999999999-a"}) {
    EXPECT_FALSE(TrashedAt(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace filesync
