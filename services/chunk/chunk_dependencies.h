// ChunkDependencies: what the Chunk service works with; all of it outlives the service.
#pragma once

#include <functional>
#include <string>

#include "libs/base/executor.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/metadata/metadata_store.h"
#include "libs/model/upcoming.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "services/chunk/staged_bytes.h"

namespace filesync {

// The instruments of the Chunk service. Thread-safe.
struct ChunkMetrics {
  explicit ChunkMetrics(MetricsRegistry& registry);

  Counter& chunks_received;
  Counter& bytes_received;
  Counter& chunks_stored;
  Counter& bytes_stored;
  Counter& chunks_deduplicated;
  Counter& bytes_sent;
  Counter& missing_queries;
  Counter& missing_ids;
};

struct ChunkDependencies {
  MetadataStore* metadata = nullptr;
  ChunkStore* chunks = nullptr;  // verifies what is put
  StagedBytes* staged = nullptr;
  Executor* executor = nullptr;  // for all that may block
  Logger* log = nullptr;
  ChunkMetrics* metrics = nullptr;
  // Told of what `agent_id` has stored of a file that it did not commit yet. Must not block.
  std::function<void(FolderId folder, const std::string& agent_id, const UpcomingPart& part)>
      upcoming;
};

}  // namespace filesync
