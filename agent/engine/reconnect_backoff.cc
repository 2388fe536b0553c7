#include "agent/engine/reconnect_backoff.h"

#include <algorithm>

namespace filesync {
namespace {

constexpr absl::Duration kShortestBackoff = absl::Milliseconds(500);
constexpr absl::Duration kLongestBackoff = absl::Seconds(60);

}  // namespace

absl::Duration ReconnectBackoff::Failed(absl::Time now, double jitter) {
  if (failures_ == 0) away_since_ = now;
  ++failures_;
  return std::clamp((now - away_since_) / 2, kShortestBackoff, kLongestBackoff) * jitter;
}

void ReconnectBackoff::Connected() { failures_ = 0; }

}  // namespace filesync
