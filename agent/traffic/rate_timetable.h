// RateTimetable: which rate holds when, by the wall clock of a week. Immutable value;
// thread-safe.
//
//   10M                                       always
//   08:00 512k, 19:00 off                     every day
//   Mon-08:00 512k Fri-19:00 10M Sat-00:00 off
//   08:00 512k, 19:00 off, Sat-08:00 10M      every day, but on Saturdays 10M from 08:00 on
//
// A rate holds until the next entry, over midnight and over the end of the week.
//
// The wall clock alone decides, so where it jumps the rate is that of the time which it then
// shows: an entry within an hour that is skipped takes effect at the end of the gap; one within
// an hour that occurs twice takes effect twice, with the rate before it in between.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/byte_rate.h"

namespace filesync {

class RateTimetable {
 public:
  // `rate` at any time; no limit by default.
  explicit RateTimetable(ByteRate rate = std::nullopt) : entries_{{0, rate}} {}
  // One rate, or pairs of a time (HH:MM, with or without a weekday and "-" before it) and a
  // rate; spaces, commas or both between all of them. A time with its weekday replaces the same
  // time of every day; the same time twice is refused. Errors: InvalidArgument.
  static absl::StatusOr<RateTimetable> Parse(std::string_view text);

  // Bytes per second; nullopt is no limit.
  ByteRate RateAt(absl::Time time, const absl::TimeZone& zone) const;
  // The first moment after `after` from which another rate holds than at `after`;
  // InfiniteFuture when the rate is always the same.
  absl::Time NextChange(absl::Time after, const absl::TimeZone& zone) const;

 private:
  struct Entry {
    int minute;  // of the week, from Monday 00:00
    ByteRate rate;
  };
  // The moments within two weeks after `after` at which the rate may change, in order.
  std::vector<absl::Time> PossibleChanges(absl::Time after, const absl::TimeZone& zone) const;

  std::vector<Entry> entries_;  // by minute; never empty
};

}  // namespace filesync
