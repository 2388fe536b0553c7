// Hasher: BLAKE3-256 in the domains the format knows. Free functions are thread-safe.
// Source of the algorithm: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3" (2020).
#pragma once

#include <memory>
#include <string_view>

#include "absl/strings/cord.h"
#include "libs/content/content.h"

namespace filesync {

// Id of a chunk. kData: plain BLAKE3 of the bytes. kList: BLAKE3 in derive-key mode with the
// context "filesync 2026 content list piece v1".
ChunkId HashChunk(ChunkKind kind, std::string_view plain);
ChunkId HashChunk(ChunkKind kind, const absl::Cord& plain);

// Incremental hash in the content-identity domain (derive-key context "filesync 2026 content
// identity v1"): fed with each data chunk of a file in order, id then size (4 bytes,
// big-endian). Thread-compatible.
class ContentHasher {
 public:
  ContentHasher();
  ~ContentHasher();
  void Add(const ChunkRef& ref);
  ContentHash Finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// `size` bytes derived from `input` under `context` (BLAKE3 derive-key, extended output): for
// tables that are part of the format and must not be invented.
void DeriveTable(const char* context, std::string_view input, uint8_t* out, size_t size);

}  // namespace filesync
