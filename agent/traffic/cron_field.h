// CronField: the values that one field of a cron line lets through. Value type.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace filesync {

enum class CronUnit { kMinute, kHour, kDayOfMonth, kMonth, kDayOfWeek };

class CronField {
 public:
  // A list of numbers (or names, of months and weekdays), ranges, and steps over a range or *.
  // Sunday is 0 and 7, and ends a week in a range: fri-sun. Errors: InvalidArgument.
  static absl::StatusOr<CronField> Parse(std::string_view text, CronUnit unit);

  bool Has(int value) const { return (values_ >> value & 1) != 0; }
  // False for a field that begins with *, as cron has it, so also for */2.
  bool restricted() const { return restricted_; }

 private:
  uint64_t values_ = 0;  // by bit; Sunday is bit 0
  bool restricted_ = false;
};

}  // namespace filesync
