// SyncDependencies: what the Sync service works with; all of it outlives the service.
#pragma once

#include <functional>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/executor.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/chunk_store/space_reserve.h"
#include "libs/fanout/hub.h"
#include "libs/metadata/metadata_store.h"
#include "libs/telemetry/log.h"
#include "services/sync/agent_registry.h"
#include "services/sync/conflict_observers.h"
#include "services/sync/sessions.h"
#include "services/sync/sync_metrics.h"

namespace filesync {

struct SyncDependencies {
  MetadataStore* metadata = nullptr;
  ChunkStore* chunks = nullptr;  // verifies what is put
  SpaceReserve* reserve = nullptr;
  Hub* hub = nullptr;
  Sessions* sessions = nullptr;
  AgentRegistry* agents = nullptr;
  ConflictObservers* conflicts = nullptr;
  Executor* executor = nullptr;  // for all that may block
  const Clock* clock = nullptr;
  Logger* log = nullptr;
  SyncMetrics* metrics = nullptr;
  // Told of each batch that was committed. Must not block.
  std::function<void(FolderId folder, const std::string& agent_id)> committed;
};

}  // namespace filesync
