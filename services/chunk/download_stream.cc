#include "services/chunk/download_stream.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/wire/chunk_messages.h"
#include "libs/wire/convert.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

constexpr size_t kMostFramesAtOnce = 256;

}  // namespace

DownloadStream* DownloadStream::Start(const ChunkDependencies* dependencies,
                                      const grpc::ByteBuffer& request) {
  const std::shared_ptr<DownloadStream> stream(new DownloadStream(dependencies));
  stream->request_ = request;
  absl::MutexLock lock(&stream->mutex_);
  stream->self_ = stream;
  stream->Pump();
  return stream.get();
}

void DownloadStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) cancelled_ = true;
  Pump();
}

void DownloadStream::OnCancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  Pump();
}

void DownloadStream::OnDone() {
  // Freed after the lock, unless a job still holds it.
  std::shared_ptr<DownloadStream> self;
  absl::MutexLock lock(&mutex_);
  self = std::move(self_);
}

void DownloadStream::Pump() {
  if (finished_) return;
  if (!writing_ && (cancelled_ || (ending_.has_value() && !prepared_.has_value()))) {
    finished_ = true;
    Finish(ToGrpc(ending_.value_or(Cancelled("the receiver hung up"))));
    return;
  }
  if (!writing_ && prepared_.has_value()) {
    outgoing_ = *std::move(prepared_);
    prepared_.reset();
    writing_ = true;
    StartWrite(&outgoing_);
  }
  if (!working_ && !prepared_.has_value() && !ending_.has_value() && !cancelled_) {
    working_ = true;
    dependencies_->executor->Schedule([self = shared_from_this()] { self->Work(); });
  }
}

void DownloadStream::Work() {
  absl::StatusOr<std::optional<grpc::ByteBuffer>> message = NextMessage();
  if (absl::IsInternal(message.status()) || absl::IsDataLoss(message.status())) {
    dependencies_->log->Error("a download failed: {}", Describe(message.status()));
  }
  absl::MutexLock lock(&mutex_);
  working_ = false;
  if (!message.ok()) {
    ending_ = message.status();
  } else if (message->has_value()) {
    prepared_ = *std::move(message);
  } else {
    ending_ = absl::OkStatus();
  }
  Pump();
}

absl::Status DownloadStream::CheckRequest() {
  checked_ = true;
  v1::DownloadChunksRequest request;
  FS_RETURN_IF_ERROR(Parse(request_, &request));
  request_.Clear();
  FS_ASSIGN_OR_RETURN(ids_, ChunkIdsFromProto(request.ids()));
  const FolderId folder = request.folder_id();
  FS_RETURN_IF_ERROR(dependencies_->metadata->GetFolder(folder).status());
  FS_ASSIGN_OR_RETURN(const std::vector<bool> members,
                      dependencies_->metadata->AreMembers(folder, ids_));
  for (size_t i = 0; i < ids_.size(); ++i) {
    if (!members[i]) return NotFound("chunk {} is not in this folder", ids_[i].ToHex());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<grpc::ByteBuffer>> DownloadStream::NextMessage() {
  if (!checked_) FS_RETURN_IF_ERROR(CheckRequest());
  std::vector<StoredChunk> chunks;
  size_t bytes = 0;
  while (next_sent_ < ids_.size()) {
    if (frames_.empty()) FS_RETURN_IF_ERROR(ReadSome());
    const size_t size = frames_.front().size();
    if (bytes > 0 && bytes + size > kPackedBytes) break;
    chunks.push_back({ids_[next_sent_], ChunkKind::kData, std::move(frames_.front())});
    frames_.pop_front();
    ++next_sent_;
    bytes += size;
  }
  if (bytes == 0) return std::nullopt;
  dependencies_->metrics->bytes_sent.Increment(static_cast<double>(bytes));
  return SerializeDownload(chunks);
}

// About one message's worth, going by the frames before.
absl::Status DownloadStream::ReadSome() {
  const size_t count = std::clamp<size_t>(kPackedBytes / typical_frame_, 1, kMostFramesAtOnce);
  const size_t end = std::min(ids_.size(), next_read_ + count);
  FS_ASSIGN_OR_RETURN(auto frames,
                      dependencies_->chunks->Get({ids_.begin() + next_read_, ids_.begin() + end}));
  size_t bytes = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!frames[i].has_value()) {
      return NotFound("chunk {} is not stored any more", ids_[next_read_ + i].ToHex());
    }
    bytes += frames[i]->size();
    frames_.push_back(*std::move(frames[i]));
  }
  typical_frame_ = std::max<size_t>(1, bytes / frames.size());
  next_read_ = end;
  return absl::OkStatus();
}

}  // namespace filesync
