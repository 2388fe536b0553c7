// AgentMetrics: the engines' figures as Prometheus metrics, one set per folder, whose locations are
// counted together. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
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
  struct Folder;
  void Refresh(const std::string& folder, const Folder& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Raise(const MetricDefinition& definition, const MetricLabels& labels, uint64_t to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<std::vector<SyncStatus>()> statuses_;
  // Asked for by one scrape at a time: what each folder's counters were when they were last looked
  // at, by name and folder.
  absl::Mutex mutex_;
  std::map<std::pair<std::string, std::string>, uint64_t> counted_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> folders_ ABSL_GUARDED_BY(mutex_);
  MetricsRegistry registry_;
};

}  // namespace filesync
