// AgentMetrics: the engines' figures as Prometheus metrics, one set per folder. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/engine/sync_status.h"
#include "libs/telemetry/metrics.h"

namespace filesync {

class AgentMetrics {
 public:
  // `statuses` is asked whenever the metrics are; it must stay callable as long as this lives.
  explicit AgentMetrics(std::function<std::vector<SyncStatus>()> statuses);
  std::string Serialize() { return registry_.Serialize(); }
  void ObservePropagation(const std::string& folder, absl::Duration latency);

 private:
  void Refresh();
  void Refresh(const SyncStatus& status);
  void Raise(const MetricDefinition& definition, const MetricLabels& labels, double to);

  const std::function<std::vector<SyncStatus>()> statuses_;
  MetricsRegistry registry_;
};

}  // namespace filesync
