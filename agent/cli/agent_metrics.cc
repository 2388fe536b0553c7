#include "agent/cli/agent_metrics.h"

#include "libs/telemetry/metric_names.h"

namespace filesync {
namespace {

constexpr SyncState kStates[] = {SyncState::kScanning,   SyncState::kSyncing, SyncState::kInSync,
                                 SyncState::kIncomplete, SyncState::kOffline, SyncState::kPaused,
                                 SyncState::kHeld,       SyncState::kHalted};

const std::vector<double>& PropagationBounds() {
  static const std::vector<double> kBounds = {0.005, 0.01, 0.02, 0.05, 0.1, 0.25,
                                              0.5,   1,    2.5,  10,   60,  600};
  return kBounds;
}

}  // namespace

AgentMetrics::AgentMetrics(std::function<std::vector<SyncStatus>()> statuses)
    : statuses_(std::move(statuses)) {
  registry_.AddGauge(metric::kBuildInfo, {{"version", "0.1.0"}}).Set(1);
  registry_.BeforeSerialize([this] { Refresh(); });
}

void AgentMetrics::ObservePropagation(const std::string& folder, absl::Duration latency) {
  registry_.AddHistogram(metric::kAgentPropagation, PropagationBounds(), {{"folder", folder}})
      .Observe(absl::ToDoubleSeconds(latency));
}

void AgentMetrics::Refresh() {
  for (const SyncStatus& status : statuses_()) Refresh(status);
}

// The engine counts for itself; a counter here follows.
void AgentMetrics::Raise(const MetricDefinition& definition, const MetricLabels& labels,
                         double to) {
  Counter& counter = registry_.AddCounter(definition, labels);
  const double by = to - counter.Value();
  if (by > 0) counter.Increment(by);
}

void AgentMetrics::Refresh(const SyncStatus& status) {
  const MetricLabels labels = {{"folder", status.folder}};
  for (const SyncState state : kStates) {
    MetricLabels with_state = labels;
    with_state.emplace_back("state", SyncStateName(state));
    registry_.AddGauge(metric::kAgentState, with_state).Set(state == status.state ? 1 : 0);
  }
  auto set = [&](const MetricDefinition& definition, double value) {
    registry_.AddGauge(definition, labels).Set(value);
  };
  auto raise = [&](const MetricDefinition& definition, uint64_t to) {
    Raise(definition, labels, static_cast<double>(to));
  };
  set(metric::kAgentScanSeconds, status.scan_seconds);
  set(metric::kAgentAppliedVersion, static_cast<double>(status.applied_version));
  set(metric::kAgentPendingLocal, static_cast<double>(status.pending_local));
  set(metric::kAgentPendingRemote, static_cast<double>(status.pending_remote));
  auto set_held = [&](const char* direction, const char* kind, uint64_t count) {
    MetricLabels with_kind = labels;
    with_kind.emplace_back("direction", direction);
    with_kind.emplace_back("kind", kind);
    registry_.AddGauge(metric::kAgentHeld, with_kind).Set(static_cast<double>(count));
  };
  set_held("outgoing", "deletion", status.held_deletions);
  set_held("outgoing", "replacement", status.held_replacements);
  set_held("incoming", "deletion", status.held_incoming_deletions);
  set_held("incoming", "replacement", status.held_incoming_replacements);
  set(metric::kAgentFailedPaths, static_cast<double>(status.failed_count));
  raise(metric::kAgentScans, status.scans);
  raise(metric::kAgentBytesHashed, status.bytes_hashed);
  raise(metric::kAgentBytesSent, status.bytes_sent);
  raise(metric::kAgentBytesReceived, status.bytes_received);
  raise(metric::kAgentBytesSaved, status.bytes_saved);
  raise(metric::kAgentConflicts, status.conflicts);
  raise(metric::kAgentCommits, status.commits);
  raise(metric::kAgentReconnects, status.reconnects);
}

}  // namespace filesync
