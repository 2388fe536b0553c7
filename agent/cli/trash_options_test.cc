#include "agent/cli/trash_options.h"

#include <gtest/gtest.h>

namespace filesync {
namespace {

TEST(TrashOptionsTest, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(ParseTrashLimits("30", "off")->age, absl::Hours(24 * 30));
  EXPECT_EQ(ParseTrashLimits("30", "off")->bytes, UINT64_MAX);
  EXPECT_EQ(ParseTrashLimits("off", "off")->age, absl::InfiniteDuration());
  EXPECT_EQ(ParseTrashLimits("1", "1")->bytes, 1U);
  EXPECT_EQ(ParseTrashLimits("1", "500k")->bytes, uint64_t{500} << 10);
  EXPECT_EQ(ParseTrashLimits("1", "500K")->bytes, uint64_t{500} << 10);
  EXPECT_EQ(ParseTrashLimits("1", "20M")->bytes, uint64_t{20} << 20);
  EXPECT_EQ(ParseTrashLimits("1", "2G")->bytes, uint64_t{2} << 30);
  EXPECT_EQ(ParseTrashLimits("1", "3T")->bytes, uint64_t{3} << 40);
}

TEST(TrashOptionsTest, WhatIsWrongIsNamed) {
  for (const char* days : {"", "0", "-1", "1.5", "x", "30d", "100001", "99999999999999999999"}) {
    const auto limits = ParseTrashLimits(days, "off");
    EXPECT_TRUE(absl::IsInvalidArgument(limits.status())) << days;
    EXPECT_NE(limits.status().message().find("--trash-days"), absl::string_view::npos) << days;
  }
  for (const char* size : {"", "0", "-1", "1.5G", "x", "1KB", "1b", "99999999999T", "G"}) {
    const auto limits = ParseTrashLimits("30", size);
    EXPECT_TRUE(absl::IsInvalidArgument(limits.status())) << size;
    EXPECT_NE(limits.status().message().find("--trash-size"), absl::string_view::npos) << size;
  }
}

}  // namespace
}  // namespace filesync
