#include "services/sync/sync_metrics.h"

#include "libs/telemetry/metric_names.h"

namespace filesync {

SyncMetrics::SyncMetrics(MetricsRegistry& registry)
    : commits(registry.AddCounter(metric::kCommits)),
      conflicts(registry.AddCounter(metric::kConflicts)),
      accepted(registry.AddCounter(metric::kChanges, {{"outcome", "accepted"}})),
      superseded(registry.AddCounter(metric::kChanges, {{"outcome", "superseded"}})),
      missing_chunks(registry.AddCounter(metric::kChanges, {{"outcome", "missing_chunks"}})),
      rejected(registry.AddCounter(metric::kChanges, {{"outcome", "rejected"}})),
      history_lost(registry.AddCounter(metric::kHistoryLost)),
      fanout_latency(registry.AddHistogram(
          metric::kFanoutLatency,
          {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})) {}

}  // namespace filesync
