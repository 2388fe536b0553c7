#include "agent/cli/agent_metrics.h"

#include <algorithm>

#include "libs/base/version.h"
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
  registry_.AddGauge(metric::kBuildInfo, {{"version", kVersion}}).Set(1);
  registry_.BeforeSerialize([this] { Refresh(); });
}

void AgentMetrics::ObservePropagation(const std::string& folder, absl::Duration latency) {
  registry_.AddHistogram(metric::kAgentPropagation, PropagationBounds(), {{"folder", folder}})
      .Observe(absl::ToDoubleSeconds(latency));
}

// What the locations of one folder come to together.
struct AgentMetrics::Folder {
  SyncStatus sum;
  std::set<SyncState> states;

  void Add(const SyncStatus& status) {
    const bool first = states.empty();
    states.insert(status.state);
    sum.scan_seconds = std::max(sum.scan_seconds, status.scan_seconds);
    sum.applied_version =
        first ? status.applied_version : std::min(sum.applied_version, status.applied_version);
    for (uint64_t SyncStatus::*const figure :
         {&SyncStatus::pending_local, &SyncStatus::pending_remote, &SyncStatus::held_deletions,
          &SyncStatus::held_replacements, &SyncStatus::held_incoming_deletions,
          &SyncStatus::held_incoming_replacements, &SyncStatus::failed_count, &SyncStatus::scans,
          &SyncStatus::bytes_hashed, &SyncStatus::bytes_sent, &SyncStatus::bytes_received,
          &SyncStatus::bytes_saved, &SyncStatus::conflicts, &SyncStatus::commits,
          &SyncStatus::reconnects}) {
      sum.*figure += status.*figure;
    }
  }
};

void AgentMetrics::Refresh() {
  std::map<std::string, Folder> folders;
  for (const SyncStatus& status : statuses_()) folders[status.folder].Add(status);
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, folder] : folders) folders_.insert(name);
  // One that is not synced any more has no state, and nothing waits in it.
  for (const std::string& name : folders_) Refresh(name, folders[name]);
}

// The engines count for themselves, each from nothing; a counter here follows.
void AgentMetrics::Raise(const MetricDefinition& definition, const MetricLabels& labels,
                         uint64_t to) {
  uint64_t& counted = counted_[{definition.name, labels.front().second}];
  const uint64_t by = to >= counted ? to - counted : to;
  counted = to;
  registry_.AddCounter(definition, labels).Increment(static_cast<double>(by));
}

void AgentMetrics::Refresh(const std::string& folder, const Folder& now) {
  const MetricLabels labels = {{"folder", folder}};
  const SyncStatus& status = now.sum;
  for (const SyncState state : kStates) {
    MetricLabels with_state = labels;
    with_state.emplace_back("state", SyncStateName(state));
    registry_.AddGauge(metric::kAgentState, with_state).Set(now.states.contains(state) ? 1 : 0);
  }
  auto set = [&](const MetricDefinition& definition, double value) {
    registry_.AddGauge(definition, labels).Set(value);
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
  Raise(metric::kAgentScans, labels, status.scans);
  Raise(metric::kAgentBytesHashed, labels, status.bytes_hashed);
  Raise(metric::kAgentBytesSent, labels, status.bytes_sent);
  Raise(metric::kAgentBytesReceived, labels, status.bytes_received);
  Raise(metric::kAgentBytesSaved, labels, status.bytes_saved);
  Raise(metric::kAgentConflicts, labels, status.conflicts);
  Raise(metric::kAgentCommits, labels, status.commits);
  Raise(metric::kAgentReconnects, labels, status.reconnects);
}

}  // namespace filesync
