// KvChunkStore: chunks in one large-values table of a KvStore (RocksDB blob files, when that
// is what the store is). Key: the 32-byte id; value: the frame. Thread-safe.
#pragma once

#include <memory>

#include "libs/chunk_store/chunk_store.h"
#include "libs/kv/kv_store.h"

namespace filesync {

// `store` must outlive the result.
std::unique_ptr<ChunkStore> NewKvChunkStore(KvStore* store, KvTable table);

}  // namespace filesync
