// Decorators for ChunkStore, one concern each; they own what they wrap. Thread-safe.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "libs/chunk_store/chunk_store.h"

namespace filesync {

// Put: every frame must decode, within its declared size, to bytes that hash to its id in its
// kind's domain, or nothing of the call is stored and DataLoss is returned. Get: a frame that
// is not well-formed is DataLoss naming the id.
std::unique_ptr<ChunkStore> NewVerifyingChunkStore(std::unique_ptr<ChunkStore> store);

struct ChunkStoreFaults {
  // Asked before each call with its name ("put", "get", …); a non-ok status is returned instead.
  std::function<absl::Status(std::string_view operation)> before;
};
std::unique_ptr<ChunkStore> NewFaultyChunkStore(std::unique_ptr<ChunkStore> store,
                                                ChunkStoreFaults faults);

}  // namespace filesync
