// ChunkMessages: the messages that carry many chunks, to and from gRPC's buffers without copying
// the chunks' bytes. What stands in the buffers is UploadChunksRequest and DownloadChunksResponse
// of chunk.proto, no more and no less: who uses the generated classes gets the same. Thread-safe.
//
// Frames that arrive share the buffer's memory, and those that leave are sent from where they
// are; the last holder frees it.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "filesync/v1/chunk.pb.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/metadata/metadata_store.h"
#include "libs/model/upcoming.h"

namespace filesync {

// UploadChunksRequest.
struct ChunkUploadMessage {
  FolderId folder = 0;   // 0: not in this message
  std::string agent_id;  // empty: not in this message
  uint64_t sequence = 0;
  std::vector<StoredChunk> chunks;
  std::optional<UpcomingPart> part;
};

grpc::ByteBuffer SerializeUpload(const ChunkUploadMessage& message);
// InvalidArgument where it is no such message or breaks a limit; see FromProto in convert.h.
absl::StatusOr<ChunkUploadMessage> ParseUpload(const grpc::ByteBuffer& buffer);

// DownloadChunksResponse. The chunks' kinds are not sent: the asker knows them.
grpc::ByteBuffer SerializeDownload(const std::vector<StoredChunk>& chunks);
// DataLoss where it is no such message. All chunks are of kind kData.
absl::StatusOr<std::vector<StoredChunk>> ParseDownload(const grpc::ByteBuffer& buffer);

// Messages without chunks, by the generated class.
grpc::ByteBuffer Serialize(const google::protobuf::Message& message);
// InvalidArgument where it is no such message.
absl::Status Parse(const grpc::ByteBuffer& buffer, google::protobuf::Message* message);

}  // namespace filesync
