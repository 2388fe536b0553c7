#include "libs/content/hasher.h"

#include <blake3.h>

#include "libs/base/coding.h"

namespace filesync {
namespace {

constexpr char kListContext[] = "filesync 2026 content list piece v1";
constexpr char kIdentityContext[] = "filesync 2026 content identity v1";

}  // namespace

ChunkId HashChunk(ChunkKind kind, std::string_view plain) {
  blake3_hasher hasher;
  if (kind == ChunkKind::kList) {
    blake3_hasher_init_derive_key(&hasher, kListContext);
  } else {
    blake3_hasher_init(&hasher);
  }
  blake3_hasher_update(&hasher, plain.data(), plain.size());
  ChunkId id;
  blake3_hasher_finalize(&hasher, id.data(), ChunkId::kSize);
  return id;
}

struct ContentHasher::State {
  blake3_hasher hasher;
};

ContentHasher::ContentHasher() : state_(std::make_unique<State>()) {
  blake3_hasher_init_derive_key(&state_->hasher, kIdentityContext);
}

ContentHasher::~ContentHasher() = default;

void ContentHasher::Add(const ChunkRef& ref) {
  std::string record(ref.id.bytes());
  AppendBigEndian32(record, ref.size);
  blake3_hasher_update(&state_->hasher, record.data(), record.size());
}

ContentHash ContentHasher::Finish() const {
  ContentHash hash;
  blake3_hasher_finalize(&state_->hasher, hash.data(), ContentHash::kSize);
  return hash;
}

void DeriveTable(const char* context, std::string_view input, uint8_t* out, size_t size) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, context);
  blake3_hasher_update(&hasher, input.data(), input.size());
  blake3_hasher_finalize(&hasher, out, size);
}

}  // namespace filesync
