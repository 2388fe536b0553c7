// Content lists: from data chunks to a Content and back.
//
// A list longer than 1,024 chunks is itself cut into pieces at hash-chosen places (after an
// entry whose id's first two bytes, big-endian, have the low 8 bits zero; at least 64 and at
// most 1,024 entries a piece), so that an edit in a huge file rewrites one piece. The pieces
// are chunks of kind kList; depth counts the levels (at most 3).
//
// Encoding of a piece: "FSL1", depth of its entries (1 byte), count (4 bytes, big-endian),
// then per entry 32 bytes id and 4 bytes size, big-endian. Thread-compatible.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/content/content.h"
#include "libs/content/hasher.h"

namespace filesync {

inline constexpr uint32_t kMaxListDepth = 3;
inline constexpr size_t kMaxInlineRefs = 1024;

// A piece of a list, made by ContentBuilder: to be stored as a chunk of kind kList.
struct ListPiece {
  ChunkId id;
  std::string plain;  // its encoding
};

// Collects a file's data chunks in order. Memory: 36 bytes per chunk.
class ContentBuilder {
 public:
  explicit ContentBuilder(uint32_t average_size) : average_size_(average_size) {}
  void Add(const ChunkRef& ref);
  uint64_t size() const { return size_; }
  const std::vector<ChunkRef>& chunks() const { return chunks_; }
  // The content; appends the list pieces to store (none for short lists) to `pieces`.
  // ResourceExhausted when the list would need more than kMaxListDepth levels.
  absl::StatusOr<Content> Finish(std::vector<ListPiece>& pieces) const;

 private:
  uint32_t average_size_;
  uint64_t size_ = 0;
  std::vector<ChunkRef> chunks_;
  ContentHasher hasher_;
};

// Reads list pieces: plain bytes of each id, in order; NotFound when one is missing.
using ListReader =
    std::function<absl::StatusOr<std::vector<std::string>>(const std::vector<ChunkId>& ids)>;

// DataLoss when `plain` is not a well-formed piece with entries of depth `entry_depth`.
absl::StatusOr<std::vector<ChunkRef>> ParseListPiece(std::string_view plain, uint32_t entry_depth);

// Calls `visit` for each chunk of the content in order, list pieces before what they name;
// stops at the first error from `visit` or the reader. Checks depth, sizes and that data chunk
// sizes add up to content.size and hash to content.hash: DataLoss when not.
absl::Status WalkContent(
    const Content& content, const ListReader& reader,
    const std::function<absl::Status(ChunkKind kind, const ChunkRef& ref)>& visit);

// The data chunks of `content`, in order.
absl::StatusOr<std::vector<ChunkRef>> DataChunks(const Content& content, const ListReader& reader);

}  // namespace filesync
