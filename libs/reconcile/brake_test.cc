#include "libs/reconcile/brake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace filesync {
namespace {

TEST(BrakeTest, HoldsMoreThanHalfOfAFolderAndNoTrifles) {
  const BrakeLimit limit;
  EXPECT_FALSE(limit.Holds(24, 24));
  EXPECT_TRUE(limit.Holds(25, 49));
  EXPECT_FALSE(limit.Holds(25, 50));
  EXPECT_TRUE(limit.Holds(501, 1000));
  EXPECT_FALSE(limit.Holds(500, 1000));
  EXPECT_FALSE(limit.Holds(0, 0));
}

TEST(BrakeTest, PartsCountsAndOff) {
  EXPECT_TRUE(BrakeLimit::Parse("10%")->Holds(101, 1000));
  EXPECT_FALSE(BrakeLimit::Parse("10%")->Holds(100, 1000));
  EXPECT_FALSE(BrakeLimit::Parse("100%")->Holds(1000, 1000));
  EXPECT_TRUE(BrakeLimit::Parse("3")->Holds(4, 1000));
  EXPECT_FALSE(BrakeLimit::Parse("3")->Holds(3, 3));
  EXPECT_TRUE(BrakeLimit::Parse("0")->Holds(1, 1000));
  EXPECT_FALSE(BrakeLimit::Parse("off")->Holds(1000, 1000));
}

TEST(BrakeTest, SaysWhatWasExpected) {
  for (const char* text :
       {"", "%", "0%", "101%", "-1", "half", "50 %", "1e3", "+5", "99999999999999999999"}) {
    const auto parsed = BrakeLimit::Parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(std::string(parsed.status().message()), testing::HasSubstr("50%"));
  }
}

}  // namespace
}  // namespace filesync
