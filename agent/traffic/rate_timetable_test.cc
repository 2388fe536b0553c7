#include "agent/traffic/rate_timetable.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace filesync {
namespace {

using testing::HasSubstr;

constexpr uint64_t kKi = 1024;
const absl::TimeZone kUtc = absl::UTCTimeZone();

RateTimetable Timetable(const std::string& text) {
  const absl::StatusOr<RateTimetable> timetable = RateTimetable::Parse(text);
  EXPECT_TRUE(timetable.ok()) << timetable.status();
  return timetable.value_or(RateTimetable());
}

// 2026-06-01 is a Monday: June's day is the weekday's number.
absl::Time June(int day, int hour, int minute = 0) {
  return absl::FromCivil(absl::CivilMinute(2026, 6, day, hour, minute), kUtc);
}

TEST(RateTimetableTest, OneRateHoldsAlways) {
  const RateTimetable timetable = Timetable(" 10M ");
  EXPECT_EQ(timetable.RateAt(June(1, 0), kUtc), 10 * kKi * kKi);
  EXPECT_EQ(timetable.NextChange(June(1, 0), kUtc), absl::InfiniteFuture());
  EXPECT_EQ(Timetable("off").RateAt(June(1, 0), kUtc), std::nullopt);
  EXPECT_EQ(RateTimetable().RateAt(June(1, 0), kUtc), std::nullopt);
}

TEST(RateTimetableTest, ARateHoldsFromItsMinuteUntilTheNextAndOverMidnight) {
  const RateTimetable timetable = Timetable("08:00 512k, 19:00 off");
  EXPECT_EQ(timetable.RateAt(June(1, 7, 59), kUtc), std::nullopt);
  EXPECT_EQ(timetable.RateAt(June(1, 8) - absl::Nanoseconds(1), kUtc), std::nullopt);
  EXPECT_EQ(timetable.RateAt(June(1, 8), kUtc), 512 * kKi);
  EXPECT_EQ(timetable.RateAt(June(1, 18, 59), kUtc), 512 * kKi);
  EXPECT_EQ(timetable.RateAt(June(1, 19), kUtc), std::nullopt);
  EXPECT_EQ(timetable.NextChange(June(1, 7, 59), kUtc), June(1, 8));
  EXPECT_EQ(timetable.NextChange(June(1, 8), kUtc), June(1, 19));
  EXPECT_EQ(timetable.NextChange(June(1, 19), kUtc), June(2, 8));
}

TEST(RateTimetableTest, WeekdaysWrapAroundTheWeek) {
  const RateTimetable timetable = Timetable("Mon-08:00 512k Friday-19:00 10M SAT-00:00 off");
  EXPECT_EQ(timetable.RateAt(June(1, 7, 59), kUtc), std::nullopt);  // since Saturday
  EXPECT_EQ(timetable.RateAt(June(1, 8), kUtc), 512 * kKi);
  EXPECT_EQ(timetable.RateAt(June(5, 18, 59), kUtc), 512 * kKi);
  EXPECT_EQ(timetable.RateAt(June(5, 19), kUtc), 10 * kKi * kKi);
  EXPECT_EQ(timetable.RateAt(June(7, 23, 59), kUtc), std::nullopt);
  EXPECT_EQ(timetable.NextChange(June(1, 8), kUtc), June(5, 19));
  EXPECT_EQ(timetable.NextChange(June(5, 19), kUtc), June(6, 0));
  EXPECT_EQ(timetable.NextChange(June(6, 0), kUtc), June(8, 8));
}

TEST(RateTimetableTest, ATimeWithItsWeekdayReplacesThatOfEveryDay) {
  const RateTimetable timetable = Timetable("Sat-08:00 10M, 08:00 512k, 19:00 off");
  EXPECT_EQ(timetable.RateAt(June(5, 9), kUtc), 512 * kKi);
  EXPECT_EQ(timetable.RateAt(June(6, 9), kUtc), 10 * kKi * kKi);
  EXPECT_EQ(timetable.RateAt(June(6, 20), kUtc), std::nullopt);
}

TEST(RateTimetableTest, SpacesAndCommasSeparateAlike) {
  for (const char* text : {"08:00 512k 19:00 off", "08:00,512k 19:00,off", "08:00,512k,19:00,off",
                           "  8:00  512k ,\t19:00 off ,"}) {
    const RateTimetable timetable = Timetable(text);
    EXPECT_EQ(timetable.RateAt(June(1, 9), kUtc), 512 * kKi) << text;
    EXPECT_EQ(timetable.NextChange(June(1, 9), kUtc), June(1, 19)) << text;
  }
}

TEST(RateTimetableTest, AnEntryThatChangesNothingIsNoChange) {
  const RateTimetable timetable = Timetable("08:00 1M, 12:00 1M, 19:00 off");
  EXPECT_EQ(timetable.NextChange(June(1, 8), kUtc), June(1, 19));
  EXPECT_EQ(Timetable("08:00 1M, 12:00 1M").NextChange(June(1, 8), kUtc), absl::InfiniteFuture());
}

TEST(RateTimetableTest, AfterForeverNothingChanges) {
  const RateTimetable timetable = Timetable("08:00 1M, 19:00 off");
  EXPECT_EQ(timetable.NextChange(absl::InfiniteFuture(), kUtc), absl::InfiniteFuture());
}

TEST(RateTimetableTest, WhatIsNoTimetableIsRefusedWithWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "08:00 512k"},
      {" , ", "08:00 512k"},
      {"fast", "512k"},
      {"08:00", "512k"},
      {"08:00 512k 19:00", "08:00 512k, 19:00 off"},
      {"24:00 1M", "00:00 to 23:59"},
      {"08:60 1M", "00:00 to 23:59"},
      {"8 1M", "00:00 to 23:59"},
      {"08:0 1M", "00:00 to 23:59"},
      {"008:00 1M", "00:00 to 23:59"},
      {"-8:00 1M", "Mon-08:00"},
      {"Mon 1M", "Mon-08:00"},
      {"Mo-08:00 1M", "Mon-08:00"},
      {"Mon-Fri-08:00 1M", "Mon-08:00"},
      {"1M 08:00", "Mon-08:00"},
      {"08:00 fast", "08:00: rate \"fast\""},
      {"08:00 1M 8:00 2M", "twice"},
      {"Sat-08:00 1M saturday-08:00 1M", "twice"},
  };
  for (const auto& [text, expected] : cases) {
    const absl::Status status = RateTimetable::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected)) << text;
  }
}

// Clocks go from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25, both Sundays
// and both at 01:00 UTC.
class RateTimetableInBerlinTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!absl::LoadTimeZone("Europe/Berlin", &berlin_)) GTEST_SKIP() << "no zoneinfo here";
  }
  static absl::Time Utc(int month, int day, int hour, int minute = 0) {
    return absl::FromCivil(absl::CivilMinute(2026, month, day, hour, minute), kUtc);
  }
  absl::TimeZone berlin_;
};

TEST_F(RateTimetableInBerlinTest, TheWallClockDecidesInSummerAndInWinter) {
  const RateTimetable timetable = Timetable("08:00 512k, 19:00 off");
  EXPECT_EQ(timetable.NextChange(Utc(1, 10, 0), berlin_), Utc(1, 10, 7));
  EXPECT_EQ(timetable.NextChange(Utc(7, 10, 0), berlin_), Utc(7, 10, 6));
}

TEST_F(RateTimetableInBerlinTest, AnEntryThatIsSkippedTakesEffectAfterTheGap) {
  const RateTimetable timetable = Timetable("02:30 512k, 12:00 off");
  EXPECT_EQ(timetable.NextChange(Utc(3, 29, 0, 30), berlin_), Utc(3, 29, 1));
  EXPECT_EQ(timetable.RateAt(Utc(3, 29, 0, 59), berlin_), std::nullopt);
  EXPECT_EQ(timetable.RateAt(Utc(3, 29, 1), berlin_), 512 * kKi);
}

TEST_F(RateTimetableInBerlinTest, AnEntryThatOccursTwiceTakesEffectTwice) {
  const RateTimetable timetable = Timetable("02:30 512k, 12:00 off");
  const absl::Time first = Utc(10, 25, 0, 30), put_back = Utc(10, 25, 1),
                   second = Utc(10, 25, 1, 30);
  EXPECT_EQ(timetable.NextChange(Utc(10, 25, 0), berlin_), first);
  EXPECT_EQ(timetable.NextChange(first, berlin_), put_back);
  EXPECT_EQ(timetable.NextChange(put_back, berlin_), second);
  EXPECT_EQ(timetable.NextChange(second, berlin_), Utc(10, 25, 11));
}

TEST_F(RateTimetableInBerlinTest, ARateWhoseHourIsSkippedComesAWeekLater) {
  const RateTimetable timetable = Timetable("Sun-02:00 512k, Sun-03:00 off");
  EXPECT_EQ(timetable.NextChange(Utc(3, 28, 0), berlin_), Utc(4, 5, 0));
}

// Steps through every minute, where NextChange looks at a few.
TEST_F(RateTimetableInBerlinTest, NextChangeAgreesWithLookingAtEveryMinute) {
  EXPECT_TRUE(rc::check([this] {
    std::string text;
    for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
      const char* day = *rc::gen::element("", "", "Sat-", "Sun-", "Mon-");
      // Distinct minutes, most of them around the jumps.
      text += fmt::format("{}{:02}:{}{} {}k,", day, *rc::gen::element(0, 1, 2, 2, 3, 23),
                          *rc::gen::inRange(0, 6), i, *rc::gen::inRange(1, 4));
    }
    const RateTimetable timetable = Timetable(text);
    const absl::Time jump = *rc::gen::element(Utc(3, 29, 1), Utc(10, 25, 1));
    const absl::Time after = jump + absl::Minutes(*rc::gen::inRange(-200, 200));
    absl::Time expected = absl::InfiniteFuture();
    for (absl::Time t = after; t < after + absl::Hours(24 * 8); t += absl::Minutes(1)) {
      if (timetable.RateAt(t, berlin_) == timetable.RateAt(after, berlin_)) continue;
      expected = t;
      break;
    }
    const absl::Time next = timetable.NextChange(after, berlin_);
    // A week may skip the only hour of a rate.
    if (expected == absl::InfiniteFuture() && next != expected) {
      RC_ASSERT(next >= after + absl::Hours(24 * 8));
      expected = next;
    }
    RC_ASSERT(next == expected);
  }));
}

// On 2011-12-30 there was no such day there.
TEST(RateTimetableTest, ADayThatIsSkippedLosesItsEntriesOnly) {
  absl::TimeZone apia;
  if (!absl::LoadTimeZone("Pacific/Apia", &apia)) GTEST_SKIP() << "no zoneinfo here";
  const RateTimetable timetable = Timetable("Thu-08:00 1k Fri-08:00 2k Sat-08:00 3k");
  const absl::Time midnight = absl::FromCivil(absl::CivilDay(2011, 12, 31), apia);
  EXPECT_EQ(timetable.RateAt(midnight - absl::Minutes(1), apia), 1 * kKi);
  EXPECT_EQ(timetable.NextChange(midnight - absl::Minutes(1), apia), midnight);
  EXPECT_EQ(timetable.RateAt(midnight, apia), 2 * kKi);
  EXPECT_EQ(timetable.NextChange(midnight, apia), midnight + absl::Hours(8));
}

// On 2010-11-07 a minute after midnight, the clock there went back to the day before.
TEST(RateTimetableTest, YesterdaysEntriesComeAgainWhereTheClockIsPutBackOverMidnight) {
  absl::TimeZone st_johns;
  if (!absl::LoadTimeZone("America/St_Johns", &st_johns)) GTEST_SKIP() << "no zoneinfo here";
  const RateTimetable timetable = Timetable("00:00 1k 23:30 2k");
  const absl::Time put_back = absl::FromCivil(absl::CivilMinute(2010, 11, 7, 2, 31), kUtc);
  EXPECT_EQ(absl::ToCivilSecond(put_back - absl::Seconds(1), st_johns).day(), 7);
  EXPECT_EQ(absl::ToCivilSecond(put_back, st_johns).day(), 6);
  EXPECT_EQ(timetable.NextChange(put_back - absl::Seconds(30), st_johns),
            put_back + absl::Minutes(29));
}

}  // namespace
}  // namespace filesync
