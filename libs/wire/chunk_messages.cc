#include "libs/wire/chunk_messages.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <utility>

#include "libs/base/status.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

// Smaller ones are copied: a piece of its own costs more.
constexpr size_t kSmallestShared = 16 << 10;

constexpr uint32_t LengthDelimited(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

enum class Kinds : uint8_t { kSent, kImplied };

// Collects the pieces of one message.
class PieceWriter {
 public:
  explicit PieceWriter(std::string begin) : pending_(std::move(begin)) {}

  void AddChunk(uint32_t tag, const StoredChunk& chunk, Kinds kinds) {
    v1::PackedChunk packed;
    packed.set_id(chunk.id.bytes().data(), chunk.id.bytes().size());
    if (kinds == Kinds::kSent) {
      packed.set_kind(chunk.kind == ChunkKind::kList ? v1::CHUNK_KIND_LIST : v1::CHUNK_KIND_DATA);
    }
    const uint32_t frame_tag = LengthDelimited(v1::PackedChunk::kFrameFieldNumber);
    const auto size = static_cast<uint32_t>(chunk.frame.size());
    AppendVarint(tag);
    AppendVarint(static_cast<uint32_t>(packed.ByteSizeLong() +
                                       CodedOutputStream::VarintSize32(frame_tag) +
                                       CodedOutputStream::VarintSize32(size) + size));
    packed.AppendToString(&pending_);
    AppendVarint(frame_tag);
    AppendVarint(size);
    AppendBytes(chunk.frame);
  }

  grpc::ByteBuffer Finish() {
    Flush();
    return grpc::ByteBuffer(slices_.data(), slices_.size());
  }

 private:
  void AppendVarint(uint32_t value) {
    uint8_t bytes[5];
    const uint8_t* end = CodedOutputStream::WriteVarint32ToArray(value, bytes);
    pending_.append(reinterpret_cast<const char*>(bytes), end - bytes);
  }

  void AppendBytes(const absl::Cord& bytes) {
    for (const absl::string_view piece : bytes.Chunks()) {
      if (piece.size() < kSmallestShared) {
        pending_.append(piece.data(), piece.size());
        continue;
      }
      Flush();
      // Each piece holds on to all of them: gRPC lets them go one by one.
      slices_.emplace_back(
          const_cast<char*>(piece.data()), piece.size(),
          [](void* holder) { delete static_cast<absl::Cord*>(holder); }, new absl::Cord(bytes));
    }
  }

  void Flush() {
    if (pending_.empty()) return;
    auto* holder = new std::string(std::exchange(pending_, {}));
    slices_.emplace_back(
        holder->data(), holder->size(), [](void* held) { delete static_cast<std::string*>(held); },
        holder);
  }

  std::string pending_;
  std::vector<grpc::Slice> slices_;
};

// The bytes of a message as a Cord that shares the buffer's slices.
absl::StatusOr<absl::Cord> Share(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return Internal("a message's buffer can't be read");
  absl::Cord bytes;
  for (grpc::Slice& slice : slices) {
    if (slice.size() < kSmallestShared) {
      bytes.Append(absl::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()));
      continue;
    }
    // On the heap: what a small slice holds would move with it.
    auto held = std::make_shared<grpc::Slice>(std::move(slice));
    const absl::string_view view(reinterpret_cast<const char*>(held->begin()), held->size());
    bytes.Append(absl::MakeCordFromExternal(view, [held = std::move(held)] {}));
  }
  return bytes;
}

// Fields that were copied from a message: those of the generated class, and what it does not know.
class CopiedFields {
 public:
  // Copies the field whose tag was just read; false when it can't be read.
  bool Copy(uint32_t tag, CodedInputStream* input) {
    return WireFormatLite::SkipField(input, tag, &output_);
  }
  // Called once, at the end.
  bool ParseInto(google::protobuf::Message* message) {
    output_.Trim();
    return message->ParseFromString(bytes_);
  }

 private:
  std::string bytes_;
  google::protobuf::io::StringOutputStream stream_{&bytes_};
  CodedOutputStream output_{&stream_};
};

// Reads one message with chunks in field `chunks_field`; what else it holds goes to `rest`.
class PieceReader {
 public:
  static absl::StatusOr<std::vector<StoredChunk>> Read(const grpc::ByteBuffer& buffer,
                                                       int chunks_field, Kinds kinds,
                                                       google::protobuf::Message* rest) {
    FS_ASSIGN_OR_RETURN(const absl::Cord bytes, Share(buffer));
    grpc::ByteBuffer reference = buffer;
    grpc::ProtoBufferReader stream(&reference);
    CodedInputStream input(&stream);
    PieceReader reader(bytes, &input, kinds);
    const uint32_t tag = LengthDelimited(chunks_field);
    CopiedFields others;
    while (const uint32_t next = input.ReadTag()) {
      if (next == tag) {
        FS_RETURN_IF_ERROR(reader.ReadChunk());
      } else if (!others.Copy(next, &input)) {
        return Malformed();
      }
    }
    if (!input.ConsumedEntireMessage() || !others.ParseInto(rest)) return Malformed();
    return std::move(reader.chunks_);
  }

 private:
  PieceReader(const absl::Cord& bytes, CodedInputStream* input, Kinds kinds)
      : bytes_(bytes), input_(*input), kinds_(kinds) {}

  static absl::Status Malformed() { return InvalidArgument("the message can't be read"); }

  // The bytes that follow as one length-delimited field.
  absl::StatusOr<absl::Cord> ReadBytes() {
    int size = 0;
    if (!input_.ReadVarintSizeAsInt(&size)) return Malformed();
    const int begin = input_.CurrentPosition();
    if (!input_.Skip(size)) return Malformed();
    return bytes_.Subcord(begin, size);
  }

  absl::Status ReadChunk() {
    if (chunks_.size() >= kMaxIdsPerMessage) {
      return InvalidArgument("more than {} chunks in one message", kMaxIdsPerMessage);
    }
    int size = 0;
    if (!input_.ReadVarintSizeAsInt(&size)) return Malformed();
    const CodedInputStream::Limit limit = input_.PushLimit(size);
    v1::PackedChunk packed;
    absl::Cord frame;
    CopiedFields others;
    while (const uint32_t next = input_.ReadTag()) {
      if (next == LengthDelimited(v1::PackedChunk::kFrameFieldNumber)) {
        FS_ASSIGN_OR_RETURN(frame, ReadBytes());
      } else if (!others.Copy(next, &input_)) {
        return Malformed();
      }
    }
    if (input_.BytesUntilLimit() != 0 || !input_.ConsumedEntireMessage()) return Malformed();
    input_.PopLimit(limit);
    if (!others.ParseInto(&packed)) return Malformed();
    // A sender who knows that the receiver knows leaves it out.
    if (packed.kind() == v1::CHUNK_KIND_UNSPECIFIED && kinds_ == Kinds::kImplied) {
      packed.set_kind(v1::CHUNK_KIND_DATA);
    }
    FS_ASSIGN_OR_RETURN(StoredChunk chunk, FromProto(packed, std::move(frame)));
    chunks_.push_back(std::move(chunk));
    return absl::OkStatus();
  }

  const absl::Cord& bytes_;
  CodedInputStream& input_;
  const Kinds kinds_;
  std::vector<StoredChunk> chunks_;
};

}  // namespace

grpc::ByteBuffer SerializeUpload(const ChunkUploadMessage& message) {
  v1::UploadChunksRequest header;
  header.set_folder_id(message.folder);
  header.set_agent_id(message.agent_id);
  header.set_sequence(message.sequence);
  if (message.part.has_value()) ToProto(*message.part, header.mutable_part());
  PieceWriter writer(header.SerializeAsString());
  for (const StoredChunk& chunk : message.chunks) {
    writer.AddChunk(LengthDelimited(v1::UploadChunksRequest::kChunksFieldNumber), chunk,
                    Kinds::kSent);
  }
  return writer.Finish();
}

absl::StatusOr<ChunkUploadMessage> ParseUpload(const grpc::ByteBuffer& buffer) {
  v1::UploadChunksRequest header;
  ChunkUploadMessage message;
  FS_ASSIGN_OR_RETURN(message.chunks,
                      PieceReader::Read(buffer, v1::UploadChunksRequest::kChunksFieldNumber,
                                        Kinds::kSent, &header));
  message.folder = header.folder_id();
  message.agent_id = header.agent_id();
  message.sequence = header.sequence();
  if (header.has_part()) {
    FS_ASSIGN_OR_RETURN(message.part, FromProto(header.part()));
  }
  return message;
}

grpc::ByteBuffer SerializeDownload(const std::vector<StoredChunk>& chunks) {
  PieceWriter writer({});
  for (const StoredChunk& chunk : chunks) {
    writer.AddChunk(LengthDelimited(v1::DownloadChunksResponse::kChunksFieldNumber), chunk,
                    Kinds::kImplied);
  }
  return writer.Finish();
}

absl::StatusOr<std::vector<StoredChunk>> ParseDownload(const grpc::ByteBuffer& buffer) {
  v1::DownloadChunksResponse rest;
  absl::StatusOr<std::vector<StoredChunk>> chunks = PieceReader::Read(
      buffer, v1::DownloadChunksResponse::kChunksFieldNumber, Kinds::kImplied, &rest);
  if (chunks.ok()) return chunks;
  return DataLoss("what the server sent can't be read: {}", ToStd(chunks.status().message()));
}

grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  grpc::ByteBuffer buffer;
  bool own_buffer = false;
  // Fails only for messages above 2 GiB.
  (void)grpc::SerializationTraits<google::protobuf::Message>::Serialize(message, &buffer,
                                                                        &own_buffer);
  return buffer;
}

absl::Status Parse(const grpc::ByteBuffer& buffer, google::protobuf::Message* message) {
  grpc::ByteBuffer reference = buffer;
  const grpc::Status parsed =
      grpc::SerializationTraits<google::protobuf::Message>::Deserialize(&reference, message);
  if (!parsed.ok()) return InvalidArgument("the message can't be read");
  return absl::OkStatus();
}

}  // namespace filesync
