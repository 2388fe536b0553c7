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

DownloadStream* DownloadStream::Start(const ChunkDependencies* dependencies, OpenStreams* open,
                                      DownloadBudget* budget, grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer& request) {
  const std::shared_ptr<DownloadStream> stream(
      new DownloadStream(dependencies, open, budget, context));
  stream->request_ = request;
  {
    absl::MutexLock lock(&stream->mutex_);
    stream->self_ = stream;
    stream->Pump();
  }
  open->Add(stream);
  return stream.get();
}

void DownloadStream::OnWriteDone(bool ok) {
  const std::shared_ptr<DownloadStream> self = shared_from_this();
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    outgoing_.Clear();
    taken_at_ = absl::Now();
    if (!ok) cancelled_ = true;
    Pump();
  }
  Count();
}

void DownloadStream::OnCancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  Pump();
}

void DownloadStream::OnDone() {
  open_->Remove(this);
  // Freed after the lock, unless a job still holds it.
  std::shared_ptr<DownloadStream> self;
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(self_);
    outgoing_.Clear();
    prepared_.reset();
  }
  Count();
}

void DownloadStream::Evict() {
  EndAtOnce(ResourceExhausted("what was sent was not taken, and others wait; ask again"));
}

void DownloadStream::GoAway() {
  EndAtOnce(Unavailable("the server is going away; come back later"));
}

void DownloadStream::EndAtOnce(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  ending_ = why;
  cancelled_ = true;
  // A write to a peer that does not read would last for ever.
  if (writing_) context_->TryCancel();
  Pump();
}

void DownloadStream::Count() {
  // What was counted first is told first.
  absl::MutexLock counting(&count_mutex_);
  size_t bytes = 0;
  absl::Time since;
  {
    absl::MutexLock lock(&mutex_);
    bytes = (writing_ ? outgoing_.Length() : 0) + (prepared_.has_value() ? prepared_->Length() : 0);
    since = taken_at_;
  }
  budget_->Set(shared_from_this(), bytes, since);
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
  {
    absl::MutexLock lock(&mutex_);
    working_ = false;
    if (!message.ok()) {
      ending_ = message.status();
    } else if (!message->has_value()) {
      ending_ = absl::OkStatus();
    } else if (!finished_) {
      prepared_ = *std::move(message);
    }
    Pump();
  }
  Count();
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

// One message's worth, or one frame that is larger: two of them are held at a time.
absl::StatusOr<std::optional<grpc::ByteBuffer>> DownloadStream::NextMessage() {
  if (!checked_) FS_RETURN_IF_ERROR(CheckRequest());
  if (next_ == ids_.size()) return std::nullopt;
  const size_t end = std::min(ids_.size(), next_ + kMostFramesAtOnce);
  FS_ASSIGN_OR_RETURN(ChunkStore::Frames frames,
                      dependencies_->chunks->Read({ids_.begin() + static_cast<ptrdiff_t>(next_),
                                                   ids_.begin() + static_cast<ptrdiff_t>(end)},
                                                  kPackedBytes));
  std::vector<StoredChunk> chunks;
  chunks.reserve(frames.size());
  size_t bytes = 0;
  for (std::optional<absl::Cord>& frame : frames) {
    if (!frame.has_value()) {
      return NotFound("chunk {} is not stored any more", ids_[next_].ToHex());
    }
    bytes += frame->size();
    chunks.push_back({ids_[next_++], ChunkKind::kData, *std::move(frame)});
  }
  dependencies_->metrics->bytes_sent.Increment(static_cast<double>(bytes));
  return SerializeDownload(chunks);
}

}  // namespace filesync
