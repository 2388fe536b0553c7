#include "services/sync/commit_assembler.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/content/frame.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

// What the messages of one batch may have in bytes, all together.
constexpr size_t kMaxBatchBytes = 64 << 20;

absl::StatusOr<std::vector<StoredChunk>> TakeInlineChunks(v1::Commit& message) {
  std::vector<StoredChunk> chunks;
  chunks.reserve(message.inline_chunks_size());
  size_t plain_bytes = 0;
  for (v1::PackedChunk& packed : *message.mutable_inline_chunks()) {
    FS_ASSIGN_OR_RETURN(StoredChunk chunk, FromProto(std::move(packed)));
    FS_ASSIGN_OR_RETURN(const uint32_t plain_size, FramePlainSize(chunk.frame));
    plain_bytes += plain_size;
    if (plain_bytes > kMaxInlineBytes) {
      return InvalidArgument("more than {} bytes of inline chunks in one message", kMaxInlineBytes);
    }
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

}  // namespace

absl::StatusOr<std::vector<StoredChunk>> CommitAssembler::Add(v1::Commit&& message) {
  if (message.batch() == 0) return InvalidArgument("a batch has no number");
  if (started_ && message.batch() != batch_.number) {
    return InvalidArgument("batch {} begins before batch {} has ended", message.batch(),
                           batch_.number);
  }
  if (static_cast<size_t>(message.changes_size()) > kMaxChangesPerMessage) {
    return InvalidArgument("{} changes in one message, more than {}", message.changes_size(),
                           kMaxChangesPerMessage);
  }
  bytes_ += message.ByteSizeLong();
  if (batch_.changes.size() + message.changes_size() > kMaxChangesPerBatch ||
      bytes_ > kMaxBatchBytes) {
    return ResourceExhausted("a batch has more than {} changes or {} MiB; commit in smaller ones",
                             kMaxChangesPerBatch, kMaxBatchBytes >> 20);
  }
  started_ = true;
  batch_.number = message.batch();
  FS_ASSIGN_OR_RETURN(std::vector<StoredChunk> chunks, TakeInlineChunks(message));
  for (const v1::Change& proto : message.changes()) {
    FS_ASSIGN_OR_RETURN(Change change, FromProto(proto));
    batch_.changes.push_back(std::move(change));
  }
  complete_ = !message.more();
  return chunks;
}

void CommitAssembler::Refuse(absl::Status why) {
  if (batch_.refused.ok()) batch_.refused = std::move(why);
}

CommitBatch CommitAssembler::Take() {
  bytes_ = 0;
  started_ = false;
  complete_ = false;
  return std::exchange(batch_, {});
}

}  // namespace filesync
