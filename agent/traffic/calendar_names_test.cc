#include "agent/traffic/calendar_names.h"

#include <gtest/gtest.h>

namespace filesync {
namespace {

TEST(CalendarNamesTest, ShortAndLongInAnyCase) {
  EXPECT_EQ(ParseWeekday("mon"), absl::Weekday::monday);
  EXPECT_EQ(ParseWeekday("THURSDAY"), absl::Weekday::thursday);
  EXPECT_EQ(ParseWeekday("Sun"), absl::Weekday::sunday);
  EXPECT_EQ(ParseMonth("Jan"), 1);
  EXPECT_EQ(ParseMonth("may"), 5);
  EXPECT_EQ(ParseMonth("September"), 9);
  EXPECT_EQ(ParseMonth("DEC"), 12);
}

TEST(CalendarNamesTest, NothingInBetween) {
  for (const char* name : {"", "m", "mo", "mond", "mondays", "montag", "1"}) {
    EXPECT_EQ(ParseWeekday(name), std::nullopt) << name;
  }
  for (const char* name : {"", "ja", "sept", "mon", "1"}) {
    EXPECT_EQ(ParseMonth(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace filesync
