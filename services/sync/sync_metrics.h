// SyncMetrics: the instruments of the Sync service. Thread-safe.
#pragma once

#include "libs/telemetry/metrics.h"

namespace filesync {

struct SyncMetrics {
  explicit SyncMetrics(MetricsRegistry& registry);

  Counter& commits;
  Counter& conflicts;
  Counter& accepted;
  Counter& superseded;
  Counter& missing_chunks;
  Counter& rejected;
  Counter& history_lost;
  Histogram& fanout_latency;
};

}  // namespace filesync
