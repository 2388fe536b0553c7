#include "agent/traffic/cron_field.h"

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "agent/traffic/calendar_names.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kDaysPerWeek = 7;

struct UnitTraits {
  std::string_view name;
  int min;
  int max;
  std::string_view example;
};

UnitTraits TraitsOf(CronUnit unit) {
  switch (unit) {
    case CronUnit::kMinute:
      return {"minute", 0, 59, "0, 0,30, 10-20 or */15"};
    case CronUnit::kHour:
      return {"hour", 0, 23, "3, 9,17, 9-17 or */2"};
    case CronUnit::kDayOfMonth:
      return {"day of month", 1, 31, "1, 1,15, 1-7 or */2"};
    case CronUnit::kMonth:
      return {"month", 1, 12, "1, jan,jul, mar-oct or */3"};
    case CronUnit::kDayOfWeek:
      break;
  }
  return {"day of week", 0, kDaysPerWeek, "0, sat,sun or mon-fri"};
}

struct Range {
  int first;
  int last;
};

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) return std::nullopt;
  return number;
}

std::optional<int> ParseName(std::string_view text, CronUnit unit) {
  if (unit == CronUnit::kMonth) return ParseMonth(text);
  if (unit != CronUnit::kDayOfWeek) return std::nullopt;
  const std::optional<absl::Weekday> weekday = ParseWeekday(text);
  if (!weekday.has_value()) return std::nullopt;
  return (static_cast<int>(*weekday) + 1) % kDaysPerWeek;  // Abseil's week begins on Monday
}

// Within the unit's bounds.
std::optional<int> ParseValue(std::string_view text, CronUnit unit) {
  std::optional<int> value = ParseName(text, unit);
  if (!value.has_value()) value = ParseNumber(text);
  const UnitTraits traits = TraitsOf(unit);
  if (!value.has_value() || *value < traits.min || *value > traits.max) return std::nullopt;
  return value;
}

// "*", "5" or "9-17".
std::optional<Range> ParseRange(std::string_view text, CronUnit unit) {
  if (text == "*") return Range{TraitsOf(unit).min, TraitsOf(unit).max};
  const size_t dash = text.find('-');
  const std::optional<int> first = ParseValue(text.substr(0, dash), unit);
  if (!first.has_value()) return std::nullopt;
  if (dash == std::string_view::npos) return Range{*first, *first};
  std::optional<int> last = ParseValue(text.substr(dash + 1), unit);
  if (!last.has_value()) return std::nullopt;
  if (unit == CronUnit::kDayOfWeek && *last == 0 && *first != 0) last = kDaysPerWeek;
  if (*first > *last) return std::nullopt;
  return Range{*first, *last};
}

// The values of one part of a list, as bits; nullopt when it is malformed.
std::optional<uint64_t> ParsePart(std::string_view text, CronUnit unit) {
  const size_t slash = text.find('/');
  const std::string_view steps_over = text.substr(0, slash);
  const std::optional<Range> range = ParseRange(steps_over, unit);
  if (!range.has_value()) return std::nullopt;
  int step = 1;
  if (slash != std::string_view::npos) {
    const std::optional<int> parsed = ParseNumber(text.substr(slash + 1));
    const bool single = steps_over != "*" && steps_over.find('-') == std::string_view::npos;
    if (!parsed.has_value() || *parsed == 0 || single) return std::nullopt;
    step = *parsed;
  }
  uint64_t values = 0;
  for (int64_t value = range->first; value <= range->last; value += step) values |= 1ull << value;
  return values;
}

}  // namespace

absl::StatusOr<CronField> CronField::Parse(std::string_view text, CronUnit unit) {
  CronField field;
  field.restricted_ = !text.starts_with('*');
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(text), ',');
  for (const std::string& part : parts) {
    const std::optional<uint64_t> values = ParsePart(part, unit);
    if (!values.has_value()) {
      const UnitTraits traits = TraitsOf(unit);
      return InvalidArgument("{} \"{}\": expected {} to {}, ranges rising, such as {}", traits.name,
                             part, traits.min, traits.max, traits.example);
    }
    field.values_ |= *values;
  }
  constexpr uint64_t kSundayAsSeven = 1ull << kDaysPerWeek;
  if (unit == CronUnit::kDayOfWeek && (field.values_ & kSundayAsSeven) != 0) {
    field.values_ = (field.values_ & ~kSundayAsSeven) | 1;
  }
  return field;
}

}  // namespace filesync
