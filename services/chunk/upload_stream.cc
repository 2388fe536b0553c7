#include "services/chunk/upload_stream.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/wire/convert.h"
#include "libs/wire/grpc_status.h"
#include "services/chunk/store_chunks.h"

namespace filesync {

UploadStream* UploadStream::Start(const ChunkDependencies* dependencies, OpenStreams* open,
                                  grpc::CallbackServerContext* context) {
  const std::shared_ptr<UploadStream> stream(new UploadStream(dependencies, open, context));
  {
    absl::MutexLock lock(&stream->mutex_);
    stream->self_ = stream;
    stream->Pump();
  }
  open->Add(stream);
  return stream.get();
}

void UploadStream::GoAway() {
  absl::MutexLock lock(&mutex_);
  if (!ending_.has_value()) {
    EndLocked(Unavailable("the server is going away; come back later"), /*at_once=*/false);
  }
  Pump();
}

void UploadStream::OnReadDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  reading_ = false;
  if (ok) {
    message_waits_ = true;
  } else {
    EndLocked(absl::OkStatus(), /*at_once=*/false);
  }
  Pump();
}

void UploadStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) EndLocked(Unavailable("the connection was lost"), /*at_once=*/true);
  Pump();
}

void UploadStream::OnCancel() {
  absl::MutexLock lock(&mutex_);
  EndLocked(Cancelled("the sender hung up"), /*at_once=*/true);
  Pump();
}

void UploadStream::OnDone() {
  open_->Remove(this);
  // Freed after the lock, unless a job still holds it.
  std::shared_ptr<UploadStream> self;
  absl::MutexLock lock(&mutex_);
  self = std::move(self_);
}

void UploadStream::EndLocked(const absl::Status& status, bool at_once) {
  // What went wrong after a peer's last message is still its stream's end.
  if (!ending_.has_value() || ending_->ok()) ending_ = status;
  if (!at_once || finished_) return;
  end_at_once_ = true;
  // A write to a peer that does not read would last for ever.
  if (writing_) context_->TryCancel();
}

void UploadStream::Pump() {
  if (finished_) return;
  const bool unacknowledged = stored_ > acknowledged_;
  const bool failed = ending_.has_value() && !ending_->ok();
  const bool busy = working_ || unacknowledged || (message_waits_ && !failed);
  if (ending_.has_value() && !writing_ && (end_at_once_ || !busy)) {
    finished_ = true;
    Finish(ToGrpc(*ending_));
    return;
  }
  if (!writing_ && unacknowledged) {
    acknowledged_ = stored_;
    v1::UploadChunksResponse response;
    response.set_sequence(acknowledged_);
    acknowledgement_ = Serialize(response);
    writing_ = true;
    StartWrite(&acknowledgement_);
  }
  if (message_waits_ && !working_ && !failed && !end_at_once_) {
    message_waits_ = false;
    working_ = true;
    dependencies_->executor->Schedule(
        [self = shared_from_this(), incoming = std::exchange(incoming_, {})] {
          self->Work(incoming);
        });
  }
  if (!reading_ && !message_waits_ && !ending_.has_value()) {
    reading_ = true;
    StartRead(&incoming_);
  }
}

void UploadStream::Work(const grpc::ByteBuffer& incoming) {
  const absl::Status status = Store(incoming);
  // What is the sender's fault it is told; a full disk is said by the reserve, once.
  if (absl::IsInternal(status) || absl::IsUnknown(status)) {
    dependencies_->log->Error("an upload failed: {}", Describe(status));
  }
  absl::MutexLock lock(&mutex_);
  working_ = false;
  if (status.ok()) {
    stored_ = sequence_;
  } else {
    EndLocked(status, /*at_once=*/false);
  }
  Pump();
}

absl::Status UploadStream::CheckOrder(const ChunkUploadMessage& message) {
  if (sequence_ == 0) {
    FS_RETURN_IF_ERROR(ValidateAgentId(message.agent_id));
    FS_RETURN_IF_ERROR(dependencies_->metadata->GetFolder(message.folder).status());
    folder_ = message.folder;
    agent_id_ = message.agent_id;
  } else if (message.folder != 0 && message.folder != folder_) {
    return InvalidArgument("an upload is for one folder");
  }
  if (message.sequence != sequence_ + 1) {
    return InvalidArgument("message {} of an upload calls itself number {}", sequence_ + 1,
                           message.sequence);
  }
  sequence_ = message.sequence;
  return absl::OkStatus();
}

absl::Status UploadStream::Store(const grpc::ByteBuffer& incoming) {
  FS_ASSIGN_OR_RETURN(const ChunkUploadMessage message, ParseUpload(incoming));
  FS_RETURN_IF_ERROR(CheckOrder(message));
  uint64_t bytes = 0;
  for (const StoredChunk& chunk : message.chunks) bytes += chunk.frame.size();
  FS_RETURN_IF_ERROR(dependencies_->staged->Add(folder_, agent_id_, bytes));
  FS_RETURN_IF_ERROR(Count(message.chunks));
  FS_RETURN_IF_ERROR(
      StoreChunks(dependencies_->metadata, dependencies_->chunks, folder_, message.chunks));
  if (message.part.has_value() && dependencies_->upcoming) {
    dependencies_->upcoming(folder_, agent_id_, *message.part);
  }
  return absl::OkStatus();
}

absl::Status UploadStream::Count(const std::vector<StoredChunk>& chunks) {
  std::vector<ChunkId> ids;
  ids.reserve(chunks.size());
  for (const StoredChunk& chunk : chunks) ids.push_back(chunk.id);
  FS_ASSIGN_OR_RETURN(const std::vector<bool> members,
                      dependencies_->metadata->AreMembers(folder_, ids));
  ChunkMetrics& metrics = *dependencies_->metrics;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const auto bytes = static_cast<double>(chunks[i].frame.size());
    metrics.chunks_received.Increment();
    metrics.bytes_received.Increment(bytes);
    if (members[i]) {
      metrics.chunks_deduplicated.Increment();
    } else {
      metrics.chunks_stored.Increment();
      metrics.bytes_stored.Increment(bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace filesync
