// Convert: chunks, and what is said of them.

#include <limits>

#include "libs/base/status.h"
#include "libs/content/frame.h"
#include "libs/wire/convert.h"
#include "libs/wire/parse.h"

namespace filesync {
namespace {

// No file system has larger ones.
constexpr uint64_t kMaxFileSize = std::numeric_limits<int64_t>::max();

}  // namespace

void ToProto(const StoredChunk& chunk, v1::PackedChunk* proto) {
  proto->set_id(std::string(chunk.id.bytes()));
  proto->set_kind(chunk.kind == ChunkKind::kList ? v1::CHUNK_KIND_LIST : v1::CHUNK_KIND_DATA);
  absl::CopyCordToString(chunk.frame, proto->mutable_frame());
}

absl::StatusOr<StoredChunk> FromProto(v1::PackedChunk&& proto) {
  absl::Cord frame(std::move(*proto.mutable_frame()));
  return FromProto(proto, std::move(frame));
}

absl::StatusOr<StoredChunk> FromProto(const v1::PackedChunk& proto, absl::Cord frame) {
  StoredChunk chunk;
  FS_ASSIGN_OR_RETURN(chunk.id, ParseChunkId(proto.id()));
  switch (proto.kind()) {
    case v1::CHUNK_KIND_DATA:
      chunk.kind = ChunkKind::kData;
      break;
    case v1::CHUNK_KIND_LIST:
      chunk.kind = ChunkKind::kList;
      break;
    default:
      return InvalidArgument("unknown chunk kind {}", static_cast<int>(proto.kind()));
  }
  if (frame.size() > kMaxFrameSize) {
    return InvalidArgument("a frame of {} bytes, more than {}", frame.size(), kMaxFrameSize);
  }
  chunk.frame = std::move(frame);
  return chunk;
}

void ToProto(const UpcomingPart& part, v1::UpcomingPart* proto) {
  proto->set_transfer(part.transfer);
  proto->set_path(std::string(part.path.bytes()));
  proto->set_size(part.size);
  proto->set_first(part.first);
  for (const ChunkRef& ref : part.chunks) {
    v1::ChunkRef* out = proto->add_chunks();
    out->set_id(std::string(ref.id.bytes()));
    out->set_size(ref.size);
  }
}

absl::StatusOr<UpcomingPart> FromProto(const v1::UpcomingPart& proto) {
  UpcomingPart part;
  if (proto.transfer() == 0) return InvalidArgument("upcoming content of no transfer");
  if (proto.chunks().empty() || static_cast<size_t>(proto.chunks_size()) > kMaxUpcomingChunks) {
    return InvalidArgument("{} chunks of upcoming content, not 1 to {}", proto.chunks_size(),
                           kMaxUpcomingChunks);
  }
  if (proto.size() > kMaxFileSize) {
    return InvalidArgument("upcoming content of {} bytes", proto.size());
  }
  FS_ASSIGN_OR_RETURN(part.path, ParsePath(proto.path(), "upcoming path"));
  if (part.path.IsRoot()) return InvalidArgument("upcoming content has no path");
  part.transfer = proto.transfer();
  part.size = proto.size();
  part.first = proto.first();
  part.chunks.reserve(proto.chunks_size());
  for (const v1::ChunkRef& ref : proto.chunks()) {
    if (ref.size() == 0 || ref.size() > kMaxChunkSize) {
      return InvalidArgument("a chunk of upcoming content has {} bytes", ref.size());
    }
    FS_ASSIGN_OR_RETURN(const ChunkId id, ParseChunkId(ref.id()));
    part.chunks.push_back({id, ref.size()});
  }
  return part;
}

absl::StatusOr<std::vector<ChunkId>> ChunkIdsFromProto(
    const google::protobuf::RepeatedPtrField<std::string>& ids) {
  if (static_cast<size_t>(ids.size()) > kMaxIdsPerMessage) {
    return InvalidArgument("{} ids in one message, more than {}", ids.size(), kMaxIdsPerMessage);
  }
  std::vector<ChunkId> result;
  result.reserve(ids.size());
  for (const std::string& bytes : ids) {
    FS_ASSIGN_OR_RETURN(const ChunkId id, ParseChunkId(bytes));
    result.push_back(id);
  }
  return result;
}

}  // namespace filesync
