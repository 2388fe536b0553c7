// ChunkService: filesync.v1.ChunkService over the callback API; see chunk.proto. Thread-safe.
#pragma once

#include "filesync/v1/chunk.grpc.pb.h"
#include "services/chunk/chunk_dependencies.h"
#include "services/chunk/download_budget.h"
#include "services/chunk/open_streams.h"

namespace filesync {

// The calls that carry content take and give gRPC's own buffers: see libs/wire/chunk_messages.h.
using ChunkServiceBase = v1::ChunkService::WithCallbackMethod_FindMissingChunks<
    v1::ChunkService::WithRawCallbackMethod_UploadChunks<
        v1::ChunkService::WithRawCallbackMethod_DownloadChunks<v1::ChunkService::Service>>>;

class ChunkService final : public ChunkServiceBase {
 public:
  explicit ChunkService(ChunkDependencies dependencies) : dependencies_(dependencies) {}

  grpc::ServerUnaryReactor* FindMissingChunks(grpc::CallbackServerContext* context,
                                              const v1::FindMissingChunksRequest* request,
                                              v1::FindMissingChunksResponse* response) override;
  // The server stops: what is asked for can be asked for again. Uploads end when they are idle.
  void Drain() { open_.Drain(); }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* UploadChunks(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* DownloadChunks(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;

 private:
  absl::Status FindMissing(const v1::FindMissingChunksRequest& request,
                           v1::FindMissingChunksResponse* response);

  const ChunkDependencies dependencies_;
  OpenStreams open_;
  DownloadBudget downloads_;
};

}  // namespace filesync
