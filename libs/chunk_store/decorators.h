// Decorators for ChunkStore, one concern each; they own what they wrap. Thread-safe.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/chunk_store/space_reserve.h"

namespace filesync {

// Put: every frame must decode, within its declared size, to bytes that hash to its id in its
// kind's domain, or nothing of the call is stored and DataLoss is returned. Get: a frame that
// is not well-formed is DataLoss naming the id.
std::unique_ptr<ChunkStore> NewVerifyingChunkStore(std::unique_ptr<ChunkStore> store);

// Keeps about `most_bytes` of the frames that were stored last in memory as well: others ask for
// them soon. They share the memory that they came in.
std::unique_ptr<ChunkStore> NewRecentChunkStore(std::unique_ptr<ChunkStore> store,
                                                size_t most_bytes);

// Put: ResourceExhausted when there is no room for it beside what `reserve` keeps. `reserve` must
// outlive the result; it is told what the store answers.
std::unique_ptr<ChunkStore> NewReservingChunkStore(std::unique_ptr<ChunkStore> store,
                                                   SpaceReserve* reserve);

struct ChunkStoreFaults {
  // Asked before each call with its name ("put", "get", …); a non-ok status is returned instead.
  std::function<absl::Status(std::string_view operation)> before;
};
std::unique_ptr<ChunkStore> NewFaultyChunkStore(std::unique_ptr<ChunkStore> store,
                                                ChunkStoreFaults faults);

}  // namespace filesync
