#include "libs/chunking/content_list.h"

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/content/frame.h"

namespace filesync {
namespace {

constexpr std::string_view kMagic = "FSL1";
constexpr size_t kHeaderSize = 9;
constexpr size_t kRecordSize = ChunkId::kSize + 4;
constexpr size_t kMinPieceEntries = 64;
constexpr size_t kMaxPieceEntries = 1024;
// How many pieces are read at a time.
constexpr size_t kReadBatch = 64;

bool EndsPiece(const ChunkRef& ref, size_t entries) {
  if (entries >= kMaxPieceEntries) return true;
  if (entries < kMinPieceEntries) return false;
  return ref.id.data()[1] == 0;  // the low 8 bits of the first two bytes, big-endian
}

ListPiece MakePiece(const ChunkRef* begin, const ChunkRef* end, uint32_t entry_depth) {
  ListPiece piece;
  piece.plain.reserve(kHeaderSize + (end - begin) * kRecordSize);
  piece.plain.append(kMagic);
  piece.plain.push_back(static_cast<char>(entry_depth));
  AppendBigEndian32(piece.plain, static_cast<uint32_t>(end - begin));
  for (const ChunkRef* ref = begin; ref != end; ++ref) {
    piece.plain.append(ref->id.bytes());
    AppendBigEndian32(piece.plain, ref->size);
  }
  piece.id = HashChunk(ChunkKind::kList, piece.plain);
  return piece;
}

// One level up: the refs of the pieces that `refs` (of depth `entry_depth`) are cut into.
std::vector<ChunkRef> CutIntoPieces(const std::vector<ChunkRef>& refs, uint32_t entry_depth,
                                    std::vector<ListPiece>& pieces) {
  std::vector<ChunkRef> upper;
  size_t begin = 0;
  for (size_t i = 0; i < refs.size(); ++i) {
    if (!EndsPiece(refs[i], i + 1 - begin) && i + 1 < refs.size()) continue;
    pieces.push_back(MakePiece(&refs[begin], &refs[i] + 1, entry_depth));
    upper.push_back({pieces.back().id, static_cast<uint32_t>(pieces.back().plain.size())});
    begin = i + 1;
  }
  return upper;
}

using Visit = std::function<absl::Status(ChunkKind kind, const ChunkRef& ref)>;

class Walker {
 public:
  Walker(const ListReader& reader, const Visit& visit) : reader_(reader), visit_(visit) {}

  absl::Status Walk(const std::vector<ChunkRef>& refs, uint32_t depth) {
    if (depth == 0) {
      for (const ChunkRef& ref : refs) {
        if (ref.size == 0 || ref.size > kMaxChunkSize) {
          return DataLoss("a content list names a chunk of {} bytes", ref.size);
        }
        size_ += ref.size;
        hasher_.Add(ref);
        FS_RETURN_IF_ERROR(visit_(ChunkKind::kData, ref));
      }
      return absl::OkStatus();
    }
    for (size_t begin = 0; begin < refs.size(); begin += kReadBatch) {
      const size_t end = std::min(refs.size(), begin + kReadBatch);
      std::vector<ChunkId> ids;
      for (size_t i = begin; i < end; ++i) {
        FS_RETURN_IF_ERROR(visit_(ChunkKind::kList, refs[i]));
        ids.push_back(refs[i].id);
      }
      FS_ASSIGN_OR_RETURN(const std::vector<std::string> pieces, reader_(ids));
      for (const std::string& piece : pieces) {
        FS_ASSIGN_OR_RETURN(const std::vector<ChunkRef> entries, ParseListPiece(piece, depth - 1));
        FS_RETURN_IF_ERROR(Walk(entries, depth - 1));
      }
    }
    return absl::OkStatus();
  }

  uint64_t size() const { return size_; }
  ContentHash hash() const { return hasher_.Finish(); }

 private:
  const ListReader& reader_;
  const Visit& visit_;
  uint64_t size_ = 0;
  ContentHasher hasher_;
};

}  // namespace

void ContentBuilder::Add(const ChunkRef& ref) {
  chunks_.push_back(ref);
  size_ += ref.size;
  hasher_.Add(ref);
}

absl::StatusOr<Content> ContentBuilder::Finish(std::vector<ListPiece>& pieces) const {
  Content content;
  content.size = size_;
  content.average_size = average_size_;
  content.hash = hasher_.Finish();
  content.refs = chunks_;
  while (content.refs.size() > kMaxInlineRefs) {
    if (content.depth == kMaxListDepth) {
      return ResourceExhausted("the file has more chunks than a content list can name");
    }
    content.refs = CutIntoPieces(content.refs, content.depth, pieces);
    ++content.depth;
  }
  return content;
}

absl::StatusOr<std::vector<ChunkRef>> ParseListPiece(std::string_view plain, uint32_t entry_depth) {
  if (plain.size() < kHeaderSize || !plain.starts_with(kMagic)) {
    return DataLoss("a content list piece has no header");
  }
  if (static_cast<uint8_t>(plain[4]) != entry_depth) {
    return DataLoss("a content list piece is of depth {}, not {}", static_cast<uint8_t>(plain[4]),
                    entry_depth);
  }
  const uint32_t count = ReadBigEndian32(plain.data() + 5);
  if (count == 0 || count > kMaxPieceEntries || plain.size() != kHeaderSize + count * kRecordSize) {
    return DataLoss("a content list piece of {} bytes can't have {} entries", plain.size(), count);
  }
  std::vector<ChunkRef> refs;
  refs.reserve(count);
  for (size_t at = kHeaderSize; at < plain.size(); at += kRecordSize) {
    refs.push_back({*ChunkId::FromBytes(plain.substr(at, ChunkId::kSize)),
                    ReadBigEndian32(plain.data() + at + ChunkId::kSize)});
  }
  return refs;
}

absl::Status WalkContent(const Content& content, const ListReader& reader, const Visit& visit) {
  if (content.depth > kMaxListDepth) {
    return DataLoss("a content list is {} levels deep, more than {}", content.depth, kMaxListDepth);
  }
  Walker walker(reader, visit);
  FS_RETURN_IF_ERROR(walker.Walk(content.refs, content.depth));
  if (walker.size() != content.size) {
    return DataLoss("a content list adds up to {} bytes, not {}", walker.size(), content.size);
  }
  if (walker.hash() != content.hash) return DataLoss("a content list does not hash to its file");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ChunkRef>> DataChunks(const Content& content, const ListReader& reader) {
  std::vector<ChunkRef> chunks;
  FS_RETURN_IF_ERROR(WalkContent(content, reader, [&](ChunkKind kind, const ChunkRef& ref) {
    if (kind == ChunkKind::kData) chunks.push_back(ref);
    return absl::OkStatus();
  }));
  return chunks;
}

}  // namespace filesync
