// StoreChunks: chunks that an agent sent become the folder's. Blocks on the disk. Thread-safe.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

// Stores first, then makes them members of the folder: membership says that the server itself
// has hashed the bytes and holds them. `store` verifies what is put: DataLoss when a frame does
// not decode to its id, and then nothing of the call is stored.
absl::Status StoreChunks(MetadataStore* metadata, ChunkStore* store, FolderId folder,
                         const std::vector<StoredChunk>& chunks);

}  // namespace filesync
