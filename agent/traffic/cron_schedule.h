// CronSchedule: when something is due, as crontab(5) writes it. Immutable value; thread-safe.
//
//   30 2 * * *                               every day at 02:30
//   */15 9-17 * * mon-fri                    every quarter of an hour in office hours
//   0 0 1,15 * fri                           on the 1st, on the 15th and on Fridays
//   CRON_TZ=Europe/Berlin @daily             at midnight in Berlin
//
// Fields: minute, hour, day of month, month, day of week. When neither day field begins with *,
// a day that suits one of them is enough; otherwise it has to suit both.
//
// Where the clock jumps: what is due within an hour that is skipped is due, once, at the first
// moment after the gap. What is due within an hour that occurs twice is due in the first only;
// so */15 * * * * rests in the second.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/cron_field.h"

namespace filesync {

class CronSchedule {
 public:
  // Five fields or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually;
  // before either, a time zone as CRON_TZ=NAME or TZ=NAME, or none. Errors: InvalidArgument,
  // also for a date that never comes, such as 30 February.
  static absl::StatusOr<CronSchedule> Parse(std::string_view text);

  // The first due moment after `after`, `after` itself not included; InfiniteFuture when there
  // is none within five years. `zone` counts when the schedule names none of its own.
  absl::Time Next(absl::Time after, const absl::TimeZone& zone) const;

 private:
  CronSchedule() = default;
  absl::Status ParseFields(std::string_view text);
  bool EitherDayIsEnough() const;
  // Whether some month that counts has a day that counts.
  bool EverHappens() const;
  bool IsDueOn(absl::CivilDay day) const;
  // The first due moment after `after` among those of `day`; nullopt when there is none.
  std::optional<absl::Time> NextOn(absl::CivilDay day, absl::Time after,
                                   const absl::TimeZone& zone) const;

  CronField minute_, hour_, day_of_month_, month_, day_of_week_;
  std::optional<absl::TimeZone> zone_;
};

}  // namespace filesync
