#include "agent/traffic/cron_schedule.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const absl::TimeZone kUtc = absl::UTCTimeZone();

CronSchedule Schedule(const std::string& text) {
  absl::StatusOr<CronSchedule> schedule = CronSchedule::Parse(text);
  EXPECT_TRUE(schedule.ok()) << schedule.status();
  return *std::move(schedule);
}

absl::Time Utc(int year, int month, int day, int hour = 0, int minute = 0) {
  return absl::FromCivil(absl::CivilMinute(year, month, day, hour, minute), kUtc);
}

// The next `count` due moments after `after`, as "2026-06-01 08:00" in UTC.
std::vector<std::string> Due(const std::string& text, absl::Time after, int count,
                             const absl::TimeZone& zone = kUtc) {
  const CronSchedule schedule = Schedule(text);
  std::vector<std::string> due;
  for (int i = 0; i < count; ++i) {
    after = schedule.Next(after, zone);
    due.push_back(absl::FormatTime("%Y-%m-%d %H:%M", after, kUtc));
  }
  return due;
}

// A Monday.
const absl::Time kJune = Utc(2026, 6, 1);

TEST(CronScheduleTest, TheFirstDueMomentIsStrictlyAfter) {
  const CronSchedule schedule = Schedule("30 8 * * *");
  EXPECT_EQ(schedule.Next(kJune, kUtc), Utc(2026, 6, 1, 8, 30));
  EXPECT_EQ(schedule.Next(Utc(2026, 6, 1, 8, 30) - absl::Nanoseconds(1), kUtc),
            Utc(2026, 6, 1, 8, 30));
  EXPECT_EQ(schedule.Next(Utc(2026, 6, 1, 8, 30), kUtc), Utc(2026, 6, 2, 8, 30));
  EXPECT_EQ(schedule.Next(Utc(2026, 6, 1, 8, 30) + absl::Nanoseconds(1), kUtc),
            Utc(2026, 6, 2, 8, 30));
}

TEST(CronScheduleTest, ListsRangesAndSteps) {
  EXPECT_THAT(Due("*/15 * * * *", kJune, 4), ElementsAre("2026-06-01 00:15", "2026-06-01 00:30",
                                                         "2026-06-01 00:45", "2026-06-01 01:00"));
  EXPECT_THAT(Due("5 9-18/4,22 * * *", kJune, 5),
              ElementsAre("2026-06-01 09:05", "2026-06-01 13:05", "2026-06-01 17:05",
                          "2026-06-01 22:05", "2026-06-02 09:05"));
  EXPECT_THAT(Due("0 0 31 * *", kJune, 3),
              ElementsAre("2026-07-31 00:00", "2026-08-31 00:00", "2026-10-31 00:00"));
  EXPECT_THAT(Due("0 0 29 2 *", kJune, 2), ElementsAre("2028-02-29 00:00", "2032-02-29 00:00"));
  EXPECT_THAT(Due("*/100 0 * * *", kJune, 1), ElementsAre("2026-06-02 00:00"));
}

TEST(CronScheduleTest, NamesInAnyCase) {
  EXPECT_THAT(Due("0 0 1 JAN,July *", kJune, 2),
              ElementsAre("2026-07-01 00:00", "2027-01-01 00:00"));
  EXPECT_THAT(Due("0 0 * * Mon-wednesday", kJune, 3),
              ElementsAre("2026-06-02 00:00", "2026-06-03 00:00", "2026-06-08 00:00"));
}

TEST(CronScheduleTest, SundayIsZeroAndSevenAndEndsAWeek) {
  for (const char* day : {"0", "7", "sun", "7-7", "0-0"}) {
    EXPECT_THAT(Due(std::string("0 0 * * ") + day, kJune, 2),
                ElementsAre("2026-06-07 00:00", "2026-06-14 00:00"))
        << day;
  }
  for (const char* days : {"sat-sun", "6-7", "6-0", "sun,sat"}) {
    EXPECT_THAT(Due(std::string("0 0 * * ") + days, kJune, 3),
                ElementsAre("2026-06-06 00:00", "2026-06-07 00:00", "2026-06-13 00:00"))
        << days;
  }
  EXPECT_THAT(Due("0 0 * * 0-2", kJune, 3),
              ElementsAre("2026-06-02 00:00", "2026-06-07 00:00", "2026-06-08 00:00"));
}

TEST(CronScheduleTest, OfTwoRestrictedDaysEitherIsEnough) {
  EXPECT_THAT(
      Due("0 0 10,15 * fri", kJune, 4),
      ElementsAre("2026-06-05 00:00", "2026-06-10 00:00", "2026-06-12 00:00", "2026-06-15 00:00"));
}

TEST(CronScheduleTest, ADayFieldThatBeginsWithAStarHasToSuitAsWell) {
  EXPECT_THAT(Due("0 0 */2 * mon", kJune, 2), ElementsAre("2026-06-15 00:00", "2026-06-29 00:00"));
}

TEST(CronScheduleTest, MacrosStandForTheirFields) {
  const absl::Time after = Utc(2026, 6, 3, 4, 5);
  EXPECT_THAT(Due("@hourly", after, 1), ElementsAre("2026-06-03 05:00"));
  EXPECT_THAT(Due("@daily", after, 1), ElementsAre("2026-06-04 00:00"));
  EXPECT_THAT(Due("@midnight", after, 1), ElementsAre("2026-06-04 00:00"));
  EXPECT_THAT(Due("@Weekly", after, 1), ElementsAre("2026-06-07 00:00"));
  EXPECT_THAT(Due("@monthly", after, 1), ElementsAre("2026-07-01 00:00"));
  EXPECT_THAT(Due("@yearly", after, 1), ElementsAre("2027-01-01 00:00"));
  EXPECT_THAT(Due("@annually", after, 1), ElementsAre("2027-01-01 00:00"));
}

TEST(CronScheduleTest, SpacesAroundAndTabsBetweenAreFine) {
  EXPECT_THAT(Due(" 0\t6  * * * ", kJune, 1), ElementsAre("2026-06-01 06:00"));
}

TEST(CronScheduleTest, WhatIsNoScheduleIsRefusedWithWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "five fields"},
      {"* * * *", "five fields"},
      {"* * * * * *", "five fields"},
      {"60 * * * *", "minute \"60\": expected 0 to 59"},
      {"-1 * * * *", "minute \"-1\""},
      {"+1 * * * *", "minute \"+1\""},
      {"99999999999 * * * *", "minute"},
      {"* 24 * * *", "hour \"24\": expected 0 to 23"},
      {"* * 0 * *", "day of month \"0\": expected 1 to 31"},
      {"* * 32 * *", "day of month \"32\""},
      {"* * * 13 *", "month \"13\": expected 1 to 12"},
      {"* * * mon *", "month \"mon\""},
      {"* * * * 8", "day of week \"8\": expected 0 to 7"},
      {"* * * * jan", "day of week \"jan\""},
      {"mon * * * *", "minute \"mon\""},
      {"1,,2 * * * *", "minute \"\""},
      {"1, * * * *", "minute \"\""},
      {"*/0 * * * *", "minute \"*/0\""},
      {"*/ * * * *", "minute \"*/\""},
      {"*/-1 * * * *", "minute \"*/-1\""},
      {"5/15 * * * *", "*/15"},
      {"30-10 * * * *", "rising"},
      {"1-2-3 * * * *", "minute \"1-2-3\""},
      {"** * * * *", "minute \"**\""},
      {"? * * * *", "minute \"?\""},
      {"@reboot", "start of a machine"},
      {"@every 5m", "@hourly"},
      {"@dayly", "@daily"},
      {"CRON_TZ=Nowhere/Land @daily", "Nowhere/Land"},
      {"TZ= 0 0 * * *", "time zone \"\""},
      {"CRON_TZ=UTC", "five fields"},
      {"0 0 30 2 *", "never happens"},
      {"0 0 31 feb,apr,jun,sep,nov *", "never happens"},
      {"0 0 30 2 */2", "never happens"},
  };
  for (const auto& [text, expected] : cases) {
    const absl::Status status = CronSchedule::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected)) << text;
  }
}

TEST(CronScheduleTest, ADateThatDoesNotExistMayStandBesideAWeekday) {
  EXPECT_THAT(Due("0 0 30 2 fri", kJune, 1), ElementsAre("2027-02-05 00:00"));
}

TEST(CronScheduleTest, WhatIsMoreThanFiveYearsAwayIsNever) {
  EXPECT_EQ(Schedule("0 0 29 2 *").Next(Utc(2096, 3, 1), kUtc), absl::InfiniteFuture());
  EXPECT_EQ(Schedule("@daily").Next(absl::InfiniteFuture(), kUtc), absl::InfiniteFuture());
}

// Clocks go from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25, both at
// 01:00 UTC.
class CronScheduleInBerlinTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!absl::LoadTimeZone("Europe/Berlin", &berlin_)) GTEST_SKIP() << "no zoneinfo here";
  }
  absl::TimeZone berlin_;
};

TEST_F(CronScheduleInBerlinTest, TheScheduleOfAZoneFollowsItsWallClock) {
  EXPECT_THAT(Due("0 8 1 1,7 *", Utc(2026, 1, 1), 2, berlin_),
              ElementsAre("2026-01-01 07:00", "2026-07-01 06:00"));
}

TEST_F(CronScheduleInBerlinTest, AZoneOfItsOwnComesBeforeThatOfTheCaller) {
  EXPECT_THAT(Due("CRON_TZ=Europe/Berlin 0 8 * * *", kJune, 1), ElementsAre("2026-06-01 06:00"));
  EXPECT_THAT(Due("TZ=Europe/Berlin @daily", kJune, 1), ElementsAre("2026-06-01 22:00"));
  EXPECT_THAT(Due("TZ=UTC 0 8 * * *", kJune, 1, berlin_), ElementsAre("2026-06-01 08:00"));
}

TEST_F(CronScheduleInBerlinTest, WhatIsSkippedIsDueOnceAtTheEndOfTheGap) {
  const absl::Time before = Utc(2026, 3, 28, 12);
  EXPECT_THAT(Due("30 2 * * *", before, 2, berlin_),
              ElementsAre("2026-03-29 01:00", "2026-03-30 00:30"));
  EXPECT_THAT(Due("*/20 2 * * *", before, 2, berlin_),
              ElementsAre("2026-03-29 01:00", "2026-03-30 00:00"));
  EXPECT_THAT(Due("*/30 * * * *", Utc(2026, 3, 29, 0, 30), 3, berlin_),
              ElementsAre("2026-03-29 01:00", "2026-03-29 01:30", "2026-03-29 02:00"));
}

TEST_F(CronScheduleInBerlinTest, WhatOccursTwiceIsDueOnce) {
  EXPECT_THAT(Due("30 2 * * *", Utc(2026, 10, 24, 12), 2, berlin_),
              ElementsAre("2026-10-25 00:30", "2026-10-26 01:30"));
  // Asked within the second of the two hours.
  EXPECT_THAT(Due("30 2 * * *", Utc(2026, 10, 25, 1, 15), 1, berlin_),
              ElementsAre("2026-10-26 01:30"));
  EXPECT_THAT(
      Due("*/30 * * * *", Utc(2026, 10, 24, 23, 45), 4, berlin_),
      ElementsAre("2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 02:00", "2026-10-25 02:30"));
}

// A field of up to three parts, and whether a value suits it, told in the plainest way.
struct PlainField {
  std::string text;
  std::vector<bool> suits;
};

PlainField AnyField(int min, int max) {
  PlainField field{"", std::vector<bool>(max + 1)};
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    const int first = *rc::gen::inRange(min, max + 1);
    const int last = *rc::gen::inRange(first, max + 1);
    const int step = *rc::gen::element(1, 1, 2, 7);
    field.text += fmt::format("{}{}-{}/{}", field.text.empty() ? "" : ",", first, last, step);
    for (int value = first; value <= last; value += step) field.suits[value] = true;
  }
  return field;
}

RC_GTEST_PROP(CronScheduleProperty, NextAgreesWithLookingAtEveryMinute, ()) {
  const PlainField minute = AnyField(0, 59), hour = AnyField(0, 23), day = AnyField(1, 28),
                   weekday = AnyField(0, 6);
  const CronSchedule schedule =
      Schedule(fmt::format("{} {} {} * {}", minute.text, hour.text, day.text, weekday.text));
  const absl::Time after = kJune + absl::Minutes(*rc::gen::inRange(0, 60 * 24 * 40));
  absl::Time expected = after;
  while (true) {
    expected += absl::Minutes(1);
    const absl::CivilMinute now = absl::ToCivilMinute(expected, kUtc);
    const int now_weekday = (static_cast<int>(absl::GetWeekday(now)) + 1) % 7;
    if (minute.suits[now.minute()] && hour.suits[now.hour()] &&
        (day.suits[now.day()] || weekday.suits[now_weekday])) {
      break;
    }
  }
  RC_ASSERT(schedule.Next(after, kUtc) == expected);
}

RC_GTEST_PROP(CronScheduleProperty, AnyBytesAreReadOrRefused, (const std::string& text)) {
  const absl::StatusOr<CronSchedule> schedule = CronSchedule::Parse(text);
  if (!schedule.ok()) RC_ASSERT(!schedule.status().message().empty());
}

}  // namespace
}  // namespace filesync
