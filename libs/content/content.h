// Content: the strong types that name bytes. A chunk id is BLAKE3-256 of a chunk's plain
// bytes; a content list piece's id is the same hash in another domain, so that no file can
// pose as a list. Values; thread-compatible.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace filesync {

// A 32-byte hash with a tag, so that a chunk's id is never taken for a file's hash.
template <typename Tag>
class Hash256 {
 public:
  static constexpr size_t kSize = 32;

  // All zero: names nothing.
  Hash256() : bytes_{} {}
  // nullopt unless exactly 32 bytes.
  static std::optional<Hash256> FromBytes(std::string_view bytes) {
    if (bytes.size() != kSize) return std::nullopt;
    Hash256 hash;
    std::memcpy(hash.bytes_.data(), bytes.data(), kSize);
    return hash;
  }

  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.data()), kSize}; }
  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  bool IsZero() const { return *this == Hash256(); }
  // Lower-case hex, 64 characters.
  std::string ToHex() const;

  // clang-tidy 14 takes the comparison that the compiler writes for a null pointer.
  friend auto operator<=>(const Hash256&,
                          const Hash256&) = default;  // NOLINT(modernize-use-nullptr)
  template <typename H>
  friend H AbslHashValue(H state, const Hash256& hash) {
    return H::combine_contiguous(std::move(state), hash.bytes_.data(), kSize);
  }

 private:
  std::array<uint8_t, kSize> bytes_;
};

using ChunkId = Hash256<struct ChunkIdTag>;
// Identity of a whole file: the hash over its chunk list (ids and sizes), own domain.
using ContentHash = Hash256<struct ContentHashTag>;

enum class ChunkKind : uint8_t {
  kData = 0,  // a piece of a file
  kList = 1,  // a piece of a content list
};

// One chunk in a list: `size` is its plain size in bytes (of a list piece: of its encoding).
struct ChunkRef {
  ChunkId id;
  uint32_t size = 0;
  friend bool operator==(const ChunkRef&, const ChunkRef&) = default;
};

// What makes a file's bytes. With depth 0 `refs` are the data chunks in order; with depth N
// they are list pieces whose entries are of depth N-1. Files of size 0 have no refs.
struct Content {
  uint64_t size = 0;          // bytes of the file
  uint32_t average_size = 0;  // the chunk-size class: average chunk size in bytes, a power of two
  uint32_t depth = 0;
  std::vector<ChunkRef> refs;
  ContentHash hash;
  friend bool operator==(const Content&, const Content&) = default;
};

}  // namespace filesync
