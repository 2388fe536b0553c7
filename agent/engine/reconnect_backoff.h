// ReconnectBackoff: how long an agent waits before it connects again. Thread-compatible.
//
// Full jitter, the first try included, so that agents that lost the same server do not come back
// all at once. A wait is never longer than half of the time that the server has been away (at least
// 0.5 s, at most 60 s): a restart of a few seconds is over for everybody a few seconds later, and a
// server that stays away is asked exponentially less often.
#pragma once

#include <optional>

#include "absl/time/time.h"

namespace filesync {

class ReconnectBackoff {
 public:
  // The connection was lost, or could not be made, at `now`. `jitter` is in [0, 1).
  absl::Duration Failed(absl::Time now, double jitter);
  void Connected();

  // Since the last connection.
  int failures() const { return failures_; }

 private:
  int failures_ = 0;
  absl::Time away_since_;  // of the first failure
};

}  // namespace filesync
