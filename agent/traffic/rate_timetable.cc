#include "agent/traffic/rate_timetable.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_split.h"
#include "agent/traffic/calendar_names.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kMinutesPerDay = 24 * 60;
// A week, and another for an entry whose hour is skipped in the first.
constexpr int kTimetableDaysAhead = 15;

struct TimeOfWeek {
  std::optional<absl::Weekday> weekday;  // nullopt: every day
  int minute = 0;                        // of the day
};

// `digits` is one or two of them, below `end`.
std::optional<int> ParseClockNumber(std::string_view digits, int end) {
  unsigned number = 0;
  const char* const last = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), last, number);
  if (digits.empty() || digits.size() > 2 || parsed.ec != std::errc() || parsed.ptr != last) {
    return std::nullopt;
  }
  return number < static_cast<unsigned>(end) ? std::optional<int>(number) : std::nullopt;
}

// "08:00" or "Mon-08:00".
std::optional<TimeOfWeek> ParseTimeOfWeek(std::string_view text) {
  TimeOfWeek time;
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    time.weekday = ParseWeekday(text.substr(0, dash));
    if (!time.weekday.has_value()) return std::nullopt;
    text.remove_prefix(dash + 1);
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.size() - colon != 3) return std::nullopt;
  const std::optional<int> hour = ParseClockNumber(text.substr(0, colon), 24);
  const std::optional<int> minute = ParseClockNumber(text.substr(colon + 1), 60);
  if (!hour.has_value() || !minute.has_value()) return std::nullopt;
  time.minute = *hour * 60 + *minute;
  return time;
}

int MinuteOfWeek(absl::Weekday weekday, int minute) {
  return static_cast<int>(weekday) * kMinutesPerDay + minute;
}

int MinuteOfWeek(absl::CivilMinute time) {
  return MinuteOfWeek(absl::GetWeekday(time), time.hour() * 60 + time.minute());
}

// Entries by minute of the week, as they are read.
class EntryMap {
 public:
  // False when that time has its rate already.
  bool Add(const TimeOfWeek& time, ByteRate rate) {
    if (time.weekday.has_value()) {
      return of_one_day_.emplace(MinuteOfWeek(*time.weekday, time.minute), rate).second;
    }
    bool added = true;
    for (int day = 0; day < 7; ++day) {
      added = of_every_day_.emplace(day * kMinutesPerDay + time.minute, rate).second && added;
    }
    return added;
  }
  std::map<int, ByteRate> Merged() const {
    std::map<int, ByteRate> merged = of_one_day_;
    merged.insert(of_every_day_.begin(), of_every_day_.end());
    return merged;
  }

 private:
  std::map<int, ByteRate> of_one_day_;
  std::map<int, ByteRate> of_every_day_;
};

// When the clock shows `time`: at most twice; where it is skipped, the end of the gap.
void AppendMoments(absl::CivilMinute time, const absl::TimeZone& zone,
                   std::vector<absl::Time>* moments) {
  const absl::TimeZone::TimeInfo info = zone.At(absl::CivilSecond(time));
  const bool skipped = info.kind == absl::TimeZone::TimeInfo::SKIPPED;
  moments->push_back(skipped ? info.trans : info.pre);
  if (info.kind == absl::TimeZone::TimeInfo::REPEATED) moments->push_back(info.post);
}

// The moments between `after` and `end` at which the clock jumps.
void AppendJumps(absl::Time after, absl::Time end, const absl::TimeZone& zone,
                 std::vector<absl::Time>* moments) {
  absl::TimeZone::CivilTransition jump;
  while (zone.NextTransition(after, &jump)) {
    // What lies right after the lower end is skipped or repeated, and so knows its jump.
    const absl::Time moment = zone.At(std::min(jump.from, jump.to)).trans;
    if (moment <= after || moment > end) return;
    moments->push_back(moment);
    after = moment;
  }
}

}  // namespace

absl::StatusOr<RateTimetable> RateTimetable::Parse(std::string_view text) {
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(text), absl::ByAnyChar(", \t"), absl::SkipEmpty());
  if (words.size() == 1) {
    FS_ASSIGN_OR_RETURN(const ByteRate rate, ParseByteRate(words.front()));
    return RateTimetable(rate);
  }
  if (words.empty() || words.size() % 2 != 0) {
    return InvalidArgument(
        "timetable \"{}\": expected one rate (10M), or times each with its rate after it "
        "(08:00 512k, 19:00 off)",
        text);
  }
  EntryMap entries;
  for (size_t i = 0; i < words.size(); i += 2) {
    const std::optional<TimeOfWeek> time = ParseTimeOfWeek(words[i]);
    if (!time.has_value()) {
      return InvalidArgument("timetable: time \"{}\": expected 00:00 to 23:59, or Mon-08:00",
                             words[i]);
    }
    absl::StatusOr<ByteRate> rate = ParseByteRate(words[i + 1]);
    if (!rate.ok()) return Annotate(rate.status(), fmt::format("timetable: {}", words[i]));
    if (!entries.Add(*time, *rate)) {
      return InvalidArgument("timetable: expected {} once, it is there twice", words[i]);
    }
  }
  RateTimetable timetable;
  timetable.entries_.clear();
  for (const auto& [minute, rate] : entries.Merged()) timetable.entries_.push_back({minute, rate});
  return timetable;
}

ByteRate RateTimetable::RateAt(absl::Time time, const absl::TimeZone& zone) const {
  const int minute = MinuteOfWeek(absl::ToCivilMinute(time, zone));
  const auto next =
      std::upper_bound(entries_.begin(), entries_.end(), minute,
                       [](int value, const Entry& entry) { return value < entry.minute; });
  return next == entries_.begin() ? entries_.back().rate : std::prev(next)->rate;
}

std::vector<absl::Time> RateTimetable::PossibleChanges(absl::Time after,
                                                       const absl::TimeZone& zone) const {
  std::vector<absl::Time> moments;
  const absl::CivilDay today = absl::ToCivilDay(after, zone);
  // Yesterday's too: a clock that is put back at midnight shows them once more.
  for (absl::CivilDay day = today - 1; day < today + kTimetableDaysAhead; ++day) {
    const int midnight = MinuteOfWeek(absl::GetWeekday(day), 0);
    for (const Entry& entry : entries_) {
      const int minute = entry.minute - midnight;
      if (minute < 0 || minute >= kMinutesPerDay) continue;
      AppendMoments(absl::CivilMinute(day) + minute, zone, &moments);
    }
  }
  AppendJumps(after, after + kTimetableDaysAhead * absl::Hours(24), zone, &moments);
  std::sort(moments.begin(), moments.end());
  return moments;
}

absl::Time RateTimetable::NextChange(absl::Time after, const absl::TimeZone& zone) const {
  if (entries_.size() == 1 || after == absl::InfinitePast() || after == absl::InfiniteFuture()) {
    return absl::InfiniteFuture();
  }
  const ByteRate rate = RateAt(after, zone);
  for (const absl::Time moment : PossibleChanges(after, zone)) {
    if (moment > after && RateAt(moment, zone) != rate) return moment;
  }
  return absl::InfiniteFuture();
}

}  // namespace filesync
