#include "libs/telemetry/metric_names.h"
#include "services/chunk/chunk_dependencies.h"

namespace filesync {

ChunkMetrics::ChunkMetrics(MetricsRegistry& registry)
    : chunks_received(registry.AddCounter(metric::kChunksReceived)),
      bytes_received(registry.AddCounter(metric::kChunkBytesReceived)),
      chunks_stored(registry.AddCounter(metric::kChunksStored)),
      bytes_stored(registry.AddCounter(metric::kChunkBytesStored)),
      chunks_deduplicated(registry.AddCounter(metric::kChunksDeduplicated)),
      bytes_sent(registry.AddCounter(metric::kChunkBytesSent)),
      missing_queries(registry.AddCounter(metric::kMissingQueries)),
      missing_ids(registry.AddCounter(metric::kMissingIds)) {}

}  // namespace filesync
