#include "agent/engine/grpc_transfers.h"

#include <deque>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "libs/wire/chunk_messages.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

constexpr size_t kUploadWindowBytes = 16 << 20;

using UploadCall = grpc::ClientReaderWriter<grpc::ByteBuffer, v1::UploadChunksResponse>;

std::unique_ptr<UploadCall> StartCall(grpc::Channel* channel, grpc::ClientContext* context) {
  const grpc::internal::RpcMethod method("/filesync.v1.ChunkService/UploadChunks",
                                         grpc::internal::RpcMethod::BIDI_STREAMING);
  return std::unique_ptr<UploadCall>(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, v1::UploadChunksResponse>::Create(
          channel, method, context));
}

class GrpcUpload final : public ChunkUpload {
 public:
  GrpcUpload(const UploadDependencies& dependencies, FolderId folder, const std::string& agent_id)
      : dependencies_(dependencies),
        folder_(folder),
        agent_id_(agent_id),
        context_(dependencies.calls),
        stream_(StartCall(dependencies.channel, context_.get())) {}

  ~GrpcUpload() override {
    if (finished_) return;
    context_->TryCancel();
    (void)stream_->Finish();
  }

  absl::Status Send(std::vector<TravellingChunk> chunks,
                    std::optional<UpcomingPart> part) override {
    ChunkUploadMessage message;
    if (sequence_ == 0) {
      message.folder = folder_;
      message.agent_id = agent_id_;
    }
    message.sequence = ++sequence_;
    message.part = std::move(part);
    size_t bytes = 0;
    for (TravellingChunk& chunk : chunks) {
      bytes += chunk.frame.size();
      message.chunks.push_back({chunk.id, chunk.kind, std::move(chunk.frame)});
    }
    // For as long as it is sent, and no longer: a stream stays open between files.
    const TransferSlots::Slot slot = dependencies_.limits->slots.Acquire(dependencies_.priority);
    dependencies_.limits->up.Acquire(bytes, TransferPriority::kBulk, dependencies_.priority);
    if (!stream_->Write(SerializeUpload(message))) return Finish();
    *dependencies_.bytes_sent += bytes;
    unacknowledged_.emplace_back(sequence_, bytes);
    window_ += bytes;
    while (window_ > kUploadWindowBytes) FS_RETURN_IF_ERROR(ReadAcknowledgement());
    return absl::OkStatus();
  }

  absl::Status Flush() override {
    while (!unacknowledged_.empty()) FS_RETURN_IF_ERROR(ReadAcknowledgement());
    return absl::OkStatus();
  }

 private:
  absl::Status ReadAcknowledgement() {
    v1::UploadChunksResponse response;
    if (!stream_->Read(&response)) return Finish();
    while (!unacknowledged_.empty() && unacknowledged_.front().first <= response.sequence()) {
      window_ -= unacknowledged_.front().second;
      unacknowledged_.pop_front();
    }
    return absl::OkStatus();
  }

  // The stream ended early: the reason.
  absl::Status Finish() {
    if (!finished_) {
      finished_ = true;
      end_ = FromGrpc(stream_->Finish());
      if (end_.ok()) end_ = Unavailable("the server ended the upload");
    }
    return Annotate(end_, "upload");
  }

  const UploadDependencies dependencies_;
  const FolderId folder_;
  const std::string agent_id_;
  CallContext context_;
  const std::unique_ptr<UploadCall> stream_;
  uint64_t sequence_ = 0;
  size_t window_ = 0;
  std::deque<std::pair<uint64_t, size_t>> unacknowledged_;
  bool finished_ = false;
  absl::Status end_;
};

}  // namespace

std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> StartDownload(
    grpc::Channel* channel, grpc::ClientContext* context,
    const v1::DownloadChunksRequest& request) {
  const grpc::internal::RpcMethod method("/filesync.v1.ChunkService/DownloadChunks",
                                         grpc::internal::RpcMethod::SERVER_STREAMING);
  return std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>>(
      grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(channel, method, context,
                                                                    request));
}

std::unique_ptr<ChunkUpload> StartUpload(const UploadDependencies& dependencies, FolderId folder,
                                         const std::string& agent_id) {
  return std::make_unique<GrpcUpload>(dependencies, folder, agent_id);
}

}  // namespace filesync
