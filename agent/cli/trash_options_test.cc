#include "agent/cli/trash_options.h"

#include <gtest/gtest.h>

namespace filesync {
namespace {

TEST(TrashOptionsTest, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(*ParseTrashDays("30"), absl::Hours(24 * 30));
  EXPECT_EQ(*ParseTrashDays("off"), absl::InfiniteDuration());
  EXPECT_EQ(*ParseTrashSize("off"), UINT64_MAX);
  EXPECT_EQ(*ParseTrashSize("1"), 1U);
  EXPECT_EQ(*ParseTrashSize("500k"), uint64_t{500} << 10);
  EXPECT_EQ(*ParseTrashSize("500K"), uint64_t{500} << 10);
  EXPECT_EQ(*ParseTrashSize("20M"), uint64_t{20} << 20);
  EXPECT_EQ(*ParseTrashSize("2G"), uint64_t{2} << 30);
  EXPECT_EQ(*ParseTrashSize("3T"), uint64_t{3} << 40);
}

TEST(TrashOptionsTest, WhatIsWrongIsRefused) {
  for (const char* days : {"", "0", "-1", "1.5", "x", "30d", "100001", "99999999999999999999"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTrashDays(days).status())) << days;
  }
  for (const char* size : {"", "0", "-1", "1.5G", "x", "1KB", "1b", "99999999999T", "G"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTrashSize(size).status())) << size;
  }
}

}  // namespace
}  // namespace filesync
