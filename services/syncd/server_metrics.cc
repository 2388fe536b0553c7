#include "services/syncd/server_metrics.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "libs/base/version.h"
#include "libs/telemetry/metric_names.h"
#include "services/syncd/config.h"

namespace filesync {
namespace {

void RefreshFolders(MetricsRegistry& registry, const ServerFigures& figures) {
  struct Agents {
    double connected = 0;
    uint64_t least_applied = UINT64_MAX;
  };
  absl::flat_hash_map<FolderId, Agents> agents;
  for (const SessionInfo& session : figures.sessions->List(0)) {
    Agents& of_folder = agents[session.folder];
    ++of_folder.connected;
    of_folder.least_applied = std::min(of_folder.least_applied, session.applied.version);
  }
  for (const FolderInfo& folder : figures.metadata->ListFolders()) {
    const MetricLabels labels = {{"folder", folder.name}};
    const Agents& of_folder = agents[folder.id];
    const uint64_t head = folder.head_version;
    registry.AddGauge(metric::kFolderEntries, labels).Set(static_cast<double>(folder.live_entries));
    registry.AddGauge(metric::kFolderBytes, labels).Set(static_cast<double>(folder.live_bytes));
    registry.AddGauge(metric::kFolderHead, labels).Set(static_cast<double>(head));
    registry.AddGauge(metric::kAgentsConnected, labels).Set(of_folder.connected);
    registry.AddGauge(metric::kAgentLag, labels)
        .Set(static_cast<double>(head - std::min(head, of_folder.least_applied)));
  }
}

}  // namespace

void RegisterServerMetrics(MetricsRegistry& registry, const ServerFigures& figures) {
  registry.AddGauge(metric::kBuildInfo, {{"version", kVersion}}).Set(1);
  registry.BeforeSerialize([&registry, figures] {
    RefreshFolders(registry, figures);
    registry.AddGauge(metric::kStoreHealthy).Set(figures.kv->Health().ok() ? 1 : 0);
    registry.AddGauge(metric::kStoreFreeBytes)
        .Set(static_cast<double>(figures.reserve->FreeBytes()));
    registry.AddGauge(metric::kStoreRefusing, {{"reason", "disk_full"}})
        .Set(figures.reserve->Refusing() ? 1 : 0);
    for (const auto& [kind, value] : figures.kv->Figures()) {
      registry.AddGauge(metric::kStoreBytes, {{"kind", kind}}).Set(value);
    }
  });
}

}  // namespace filesync
