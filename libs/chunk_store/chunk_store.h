// ChunkStore: content-addressed frames. Batched, idempotent. Thread-safe.
//
// Put stores frames as they are; callers verify them before (see VerifyingChunkStore, the
// decorator that does). What Put stored is durable no later than the next synced write of the
// same database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "libs/content/content.h"

namespace filesync {

struct StoredChunk {
  ChunkId id;
  ChunkKind kind = ChunkKind::kData;
  absl::Cord frame;
};

class ChunkStore {
 public:
  virtual ~ChunkStore() = default;
  virtual absl::Status Put(const std::vector<StoredChunk>& chunks) = 0;
  using Frames = std::vector<std::optional<absl::Cord>>;
  // One frame per id, in order; nullopt where the id is not stored.
  absl::StatusOr<Frames> Get(const std::vector<ChunkId>& ids) { return Read(ids, SIZE_MAX); }
  // The same of the first of `ids`: of as many as have `most_bytes` together, and one at least.
  virtual absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) = 0;
  // One answer per id, in order.
  virtual absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) = 0;
  virtual absl::Status Delete(const std::vector<ChunkId>& ids) = 0;
  // Calls `visit` with each id and frame, in id order, until it returns false.
  virtual absl::Status ForEach(
      const std::function<bool(const ChunkId&, const absl::Cord& frame)>& visit) = 0;
};

std::unique_ptr<ChunkStore> NewMemoryChunkStore();

}  // namespace filesync
