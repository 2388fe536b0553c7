// Weekdays and months as people write them: "mon" or "Monday", "jan" or "January". Pure.
#pragma once

#include <optional>
#include <string_view>

#include "absl/time/civil_time.h"

namespace filesync {

// The first three letters or the whole English name, in any case; nullopt when it is neither.
std::optional<absl::Weekday> ParseWeekday(std::string_view name);
// Likewise; 1 is January.
std::optional<int> ParseMonth(std::string_view name);

}  // namespace filesync
