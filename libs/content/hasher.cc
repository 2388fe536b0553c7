#include "libs/content/hasher.h"

#include <blake3.h>

#include <algorithm>
#include <cstring>

#include "libs/base/coding.h"

namespace filesync {
namespace {

constexpr char kListContext[] = "filesync 2026 content list piece v1";
constexpr char kIdentityContext[] = "filesync 2026 content identity v1";

void Begin(ChunkKind kind, blake3_hasher* hasher) {
  if (kind == ChunkKind::kList) {
    blake3_hasher_init_derive_key(hasher, kListContext);
  } else {
    blake3_hasher_init(hasher);
  }
}

ChunkId Id(const blake3_hasher& hasher) {
  ChunkId id;
  blake3_hasher_finalize(&hasher, id.data(), ChunkId::kSize);
  return id;
}

// A chunk that comes in pieces.
class PiecewiseHasher {
 public:
  explicit PiecewiseHasher(ChunkKind kind) { Begin(kind, &hasher_); }
  void Add(std::string_view bytes) {
    if (waiting_ > 0) {
      const size_t more = std::min(bytes.size(), kStride - waiting_);
      std::memcpy(stride_ + waiting_, bytes.data(), more);
      waiting_ += more;
      bytes.remove_prefix(more);
      if (waiting_ < kStride) return;
      blake3_hasher_update(&hasher_, stride_, kStride);
    }
    const size_t whole = bytes.size() / kStride * kStride;
    if (whole > 0) blake3_hasher_update(&hasher_, bytes.data(), whole);
    waiting_ = bytes.size() - whole;
    std::memcpy(stride_, bytes.data() + whole, waiting_);
  }
  ChunkId Finish() {
    blake3_hasher_update(&hasher_, stride_, waiting_);
    return Id(hasher_);
  }

 private:
  // BLAKE3 hashes 16 pieces of 1 KiB at a time where it can; pieces that begin and end anywhere
  // would spoil that.
  static constexpr size_t kStride = 16 << 10;
  blake3_hasher hasher_;
  size_t waiting_ = 0;
  char stride_[kStride];
};

}  // namespace

ChunkId HashChunk(ChunkKind kind, std::string_view plain) {
  blake3_hasher hasher;
  Begin(kind, &hasher);
  blake3_hasher_update(&hasher, plain.data(), plain.size());
  return Id(hasher);
}

ChunkId HashChunk(ChunkKind kind, const absl::Cord& plain) {
  if (const auto flat = plain.TryFlat(); flat.has_value()) {
    return HashChunk(kind, std::string_view(flat->data(), flat->size()));
  }
  PiecewiseHasher hasher(kind);
  for (const absl::string_view piece : plain.Chunks()) hasher.Add({piece.data(), piece.size()});
  return hasher.Finish();
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
