#include "services/chunk/store_chunks.h"

#include "libs/base/status.h"

namespace filesync {

absl::Status StoreChunks(MetadataStore* metadata, ChunkStore* store, FolderId folder,
                         const std::vector<StoredChunk>& chunks) {
  if (chunks.empty()) return absl::OkStatus();
  FS_RETURN_IF_ERROR(store->Put(chunks));
  std::vector<ChunkId> ids;
  ids.reserve(chunks.size());
  for (const StoredChunk& chunk : chunks) ids.push_back(chunk.id);
  return metadata->AddMembers(folder, ids);
}

}  // namespace filesync
