// ChunkService: filesync.v1.ChunkService over the callback API; see chunk.proto. Thread-safe.
#pragma once

#include "filesync/v1/chunk.grpc.pb.h"
#include "services/chunk/chunk_dependencies.h"

namespace filesync {

class ChunkService final : public v1::ChunkService::CallbackService {
 public:
  explicit ChunkService(ChunkDependencies dependencies) : dependencies_(dependencies) {}

  grpc::ServerUnaryReactor* FindMissingChunks(grpc::CallbackServerContext* context,
                                              const v1::FindMissingChunksRequest* request,
                                              v1::FindMissingChunksResponse* response) override;
  grpc::ServerBidiReactor<v1::UploadChunksRequest, v1::UploadChunksResponse>* UploadChunks(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::DownloadChunksResponse>* DownloadChunks(
      grpc::CallbackServerContext* context, const v1::DownloadChunksRequest* request) override;

 private:
  absl::Status FindMissing(const v1::FindMissingChunksRequest& request,
                           v1::FindMissingChunksResponse* response);

  const ChunkDependencies dependencies_;
};

}  // namespace filesync
