// PackChunkStore: large frames in pack files, small ones in a table of a KvStore, which also
// tells where each large one stands. Thread-safe.
//
// Written once, where it stays: no log, no flush, no compaction copies a large frame again. A
// frame is on disk before the table names it, so that no power cut leaves a name without its
// frame, whatever the table's own writes become durable with. Packs have no checksums of their
// own: the id is one, and readers check it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libs/chunk_store/chunk_store.h"
#include "libs/kv/kv_store.h"

namespace filesync {

struct PackChunkStoreOptions {
  std::string directory;  // of the packs; made when missing
  KvTable chunks = 0;     // key: the 32-byte id; value: a frame, or where it stands
  KvTable packs = 0;      // see PackDirectory
  // Frames of at least this size go to packs.
  size_t smallest_packed = 8 << 10;
  // A pack takes nothing more from here on.
  uint64_t pack_size = 1 << 30;
};

// `store` must outlive the result. Errors: DataLoss when a pack is missing or too short.
absl::StatusOr<std::unique_ptr<ChunkStore>> OpenPackChunkStore(
    KvStore* store, const PackChunkStoreOptions& options);

}  // namespace filesync
