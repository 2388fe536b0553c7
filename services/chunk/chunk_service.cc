#include "services/chunk/chunk_service.h"

#include "libs/base/status.h"
#include "libs/wire/convert.h"
#include "libs/wire/grpc_status.h"
#include "services/chunk/download_stream.h"
#include "services/chunk/upload_stream.h"

namespace filesync {

grpc::ServerUnaryReactor* ChunkService::FindMissingChunks(
    grpc::CallbackServerContext* context, const v1::FindMissingChunksRequest* request,
    v1::FindMissingChunksResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  dependencies_.executor->Schedule([this, reactor, request, response] {
    reactor->Finish(ToGrpc(FindMissing(*request, response)));
  });
  return reactor;
}

// Membership is the answer: what is a member was stored before it became one, and in the same
// order it reached the disk.
absl::Status ChunkService::FindMissing(const v1::FindMissingChunksRequest& request,
                                       v1::FindMissingChunksResponse* response) {
  FS_ASSIGN_OR_RETURN(const std::vector<ChunkId> ids, ChunkIdsFromProto(request.ids()));
  FS_RETURN_IF_ERROR(dependencies_.metadata->GetFolder(request.folder_id()).status());
  FS_ASSIGN_OR_RETURN(const std::vector<bool> members,
                      dependencies_.metadata->AreMembers(request.folder_id(), ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!members[i]) response->add_missing(request.ids(static_cast<int>(i)));
  }
  dependencies_.metrics->missing_queries.Increment();
  dependencies_.metrics->missing_ids.Increment(response->missing_size());
  return absl::OkStatus();
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ChunkService::UploadChunks(
    grpc::CallbackServerContext* context) {
  return UploadStream::Start(&dependencies_, &open_, context);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ChunkService::DownloadChunks(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return DownloadStream::Start(&dependencies_, &open_, &downloads_, context, *request);
}

}  // namespace filesync
