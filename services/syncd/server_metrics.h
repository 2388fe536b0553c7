// ServerMetrics: the gauges that are looked up when somebody asks. Thread-safe.
#pragma once

#include "libs/chunk_store/space_reserve.h"
#include "libs/kv/kv_store.h"
#include "libs/metadata/metadata_store.h"
#include "libs/telemetry/metrics.h"
#include "services/sync/sessions.h"

namespace filesync {

// What the gauges are read from.
struct ServerFigures {
  KvStore* kv = nullptr;
  MetadataStore* metadata = nullptr;
  const Sessions* sessions = nullptr;
  SpaceReserve* reserve = nullptr;
};

// All of `figures` must live as long as anybody serializes `registry`.
void RegisterServerMetrics(MetricsRegistry& registry, const ServerFigures& figures);

}  // namespace filesync
