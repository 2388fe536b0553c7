// The calls of a GrpcLink that carry content. They give and take gRPC's own buffers, where the
// generated stub would give and take messages: see libs/wire/chunk_messages.h.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <memory>
#include <string>

#include "agent/engine/active_calls.h"
#include "agent/engine/grpc_link.h"
#include "filesync/v1/chunk.pb.h"

namespace filesync {

// DownloadChunks: each buffer is for ParseDownload.
std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> StartDownload(
    grpc::Channel* channel, grpc::ClientContext* context, const v1::DownloadChunksRequest& request);

// What an upload works with; all of it outlives the upload.
struct UploadDependencies {
  grpc::Channel* channel = nullptr;
  ActiveCalls* calls = nullptr;
  TransferLimits* limits = nullptr;
  FolderPriority priority = FolderPriority::kNormal;
  std::atomic<uint64_t>* bytes_sent = nullptr;
};

std::unique_ptr<ChunkUpload> StartUpload(const UploadDependencies& dependencies, FolderId folder,
                                         const std::string& agent_id);

}  // namespace filesync
