#include "agent/traffic/cron_schedule.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kDaysAhead = 5 * 366;
constexpr std::string_view kSpaces = " \t";
// Of each month in the years that have the most.
constexpr std::array<int, 12> kDaysOfMonth = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMacros = {{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

// The five fields that a macro stands for; any other text as it is.
absl::StatusOr<std::string_view> ExpandMacro(std::string_view text) {
  if (!text.starts_with('@')) return text;
  if (absl::EqualsIgnoreCase(ToAbsl(text), "@reboot")) {
    return InvalidArgument(
        "schedule \"{}\": expected times of the clock, not the start of a machine", text);
  }
  for (const auto& [macro, fields] : kMacros) {
    if (absl::EqualsIgnoreCase(ToAbsl(text), ToAbsl(macro))) return fields;
  }
  return InvalidArgument(
      "schedule \"{}\": expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly or "
      "@annually",
      text);
}

// Takes "CRON_TZ=NAME " or "TZ=NAME " off the front of `text`; nullopt when it has neither.
absl::StatusOr<std::optional<absl::TimeZone>> TakeZone(std::string_view* text) {
  for (const std::string_view prefix : {"CRON_TZ=", "TZ="}) {
    if (!text->starts_with(prefix)) continue;
    text->remove_prefix(prefix.size());
    const std::string name(text->substr(0, text->find_first_of(kSpaces)));
    text->remove_prefix(name.size());
    absl::TimeZone zone;
    if (name.empty() || !absl::LoadTimeZone(name, &zone)) {
      return InvalidArgument(
          "schedule: time zone \"{}\": expected the name of one that this system knows, such as "
          "Europe/Berlin",
          name);
    }
    return std::optional<absl::TimeZone>(zone);
  }
  return std::optional<absl::TimeZone>();
}

// When the clock shows `time` for the first time; where it is skipped, the end of the gap.
absl::Time FirstMomentOf(absl::CivilMinute time, const absl::TimeZone& zone) {
  const absl::TimeZone::TimeInfo info = zone.At(absl::CivilSecond(time));
  return info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre;
}

int CronWeekday(absl::CivilDay day) { return (static_cast<int>(absl::GetWeekday(day)) + 1) % 7; }

}  // namespace

absl::StatusOr<CronSchedule> CronSchedule::Parse(std::string_view text) {
  CronSchedule schedule;
  std::string_view rest = ToStd(absl::StripAsciiWhitespace(ToAbsl(text)));
  FS_ASSIGN_OR_RETURN(schedule.zone_, TakeZone(&rest));
  rest = ToStd(absl::StripAsciiWhitespace(ToAbsl(rest)));
  FS_ASSIGN_OR_RETURN(const std::string_view fields, ExpandMacro(rest));
  FS_RETURN_IF_ERROR(Annotate(schedule.ParseFields(fields), "schedule"));
  if (!schedule.EverHappens()) {
    return InvalidArgument("schedule \"{}\": expected a date that exists, this one never happens",
                           text);
  }
  return schedule;
}

absl::Status CronSchedule::ParseFields(std::string_view text) {
  const std::vector<std::string> fields =
      absl::StrSplit(ToAbsl(text), absl::ByAnyChar(ToAbsl(kSpaces)), absl::SkipEmpty());
  if (fields.size() != 5) {
    return InvalidArgument(
        "\"{}\": expected five fields (minute, hour, day of month, month, day of week) such as "
        "\"30 2 * * mon-fri\", or @daily",
        text);
  }
  FS_ASSIGN_OR_RETURN(minute_, CronField::Parse(fields[0], CronUnit::kMinute));
  FS_ASSIGN_OR_RETURN(hour_, CronField::Parse(fields[1], CronUnit::kHour));
  FS_ASSIGN_OR_RETURN(day_of_month_, CronField::Parse(fields[2], CronUnit::kDayOfMonth));
  FS_ASSIGN_OR_RETURN(month_, CronField::Parse(fields[3], CronUnit::kMonth));
  FS_ASSIGN_OR_RETURN(day_of_week_, CronField::Parse(fields[4], CronUnit::kDayOfWeek));
  return absl::OkStatus();
}

bool CronSchedule::EitherDayIsEnough() const {
  return day_of_month_.restricted() && day_of_week_.restricted();
}

bool CronSchedule::EverHappens() const {
  // Every weekday comes in every month, and 29 February falls on each in 400 years.
  if (EitherDayIsEnough()) return true;
  for (int month = 1; month <= 12; ++month) {
    if (!month_.Has(month)) continue;
    for (int day = 1; day <= kDaysOfMonth[month - 1]; ++day) {
      if (day_of_month_.Has(day)) return true;
    }
  }
  return false;
}

bool CronSchedule::IsDueOn(absl::CivilDay day) const {
  if (!month_.Has(day.month())) return false;
  const bool of_month = day_of_month_.Has(day.day());
  const bool of_week = day_of_week_.Has(CronWeekday(day));
  return EitherDayIsEnough() ? of_month || of_week : of_month && of_week;
}

std::optional<absl::Time> CronSchedule::NextOn(absl::CivilDay day, absl::Time after,
                                               const absl::TimeZone& zone) const {
  for (int hour = 0; hour < 24; ++hour) {
    if (!hour_.Has(hour)) continue;
    for (int minute = 0; minute < 60; ++minute) {
      if (!minute_.Has(minute)) continue;
      const absl::CivilMinute time(day.year(), day.month(), day.day(), hour, minute);
      const absl::Time moment = FirstMomentOf(time, zone);
      if (moment > after) return moment;
    }
  }
  return std::nullopt;
}

absl::Time CronSchedule::Next(absl::Time after, const absl::TimeZone& zone) const {
  if (after == absl::InfinitePast() || after == absl::InfiniteFuture()) {
    return absl::InfiniteFuture();
  }
  const absl::TimeZone& used = zone_.has_value() ? *zone_ : zone;
  // First moments follow one another as their wall-clock times do, so none of a day before
  // today's lies ahead, and the first that does is the next.
  const absl::CivilDay today = absl::ToCivilDay(after, used);
  for (absl::CivilDay day = today; day <= today + kDaysAhead; ++day) {
    if (!IsDueOn(day)) continue;
    if (const auto moment = NextOn(day, after, used); moment.has_value()) return *moment;
  }
  return absl::InfiniteFuture();
}

}  // namespace filesync
