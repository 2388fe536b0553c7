#include "agent/traffic/calendar_names.h"

#include <array>

#include "absl/strings/match.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};
static_assert(static_cast<int>(absl::Weekday::monday) == 0);

template <size_t kCount>
std::optional<int> IndexOf(std::string_view name,
                           const std::array<std::string_view, kCount>& names) {
  for (size_t i = 0; i < kCount; ++i) {
    if (absl::EqualsIgnoreCase(ToAbsl(name), ToAbsl(names[i])) ||
        absl::EqualsIgnoreCase(ToAbsl(name), ToAbsl(names[i].substr(0, 3)))) {
      return static_cast<int>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<absl::Weekday> ParseWeekday(std::string_view name) {
  const std::optional<int> index = IndexOf(name, kWeekdays);
  if (!index.has_value()) return std::nullopt;
  return static_cast<absl::Weekday>(*index);
}

std::optional<int> ParseMonth(std::string_view name) {
  const std::optional<int> index = IndexOf(name, kMonths);
  if (!index.has_value()) return std::nullopt;
  return *index + 1;
}

}  // namespace filesync
