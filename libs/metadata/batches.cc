#include "libs/metadata/batches.h"

#include <utility>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/records.h"

namespace filesync {

absl::StatusOr<uint64_t> LastBatch(KvStore* kv, FolderId folder, const std::string& agent_id) {
  const absl::StatusOr<std::string> value =
      kv->Get(keys::kBatches, keys::LastBatch(folder, agent_id));
  if (absl::IsNotFound(value.status())) return 0;
  FS_RETURN_IF_ERROR(value.status());
  if (value->size() != 8) return DataLoss("the store holds a damaged batch number");
  return ReadBigEndian64(value->data());
}

absl::StatusOr<std::optional<CommitResult>> RememberedAnswer(KvStore* kv,
                                                             const CommitRequest& request) {
  const absl::StatusOr<std::string> value =
      kv->Get(keys::kBatches, keys::Batch(request.folder, request.agent_id, request.batch));
  if (value.ok()) {
    FS_ASSIGN_OR_RETURN(CommitResult result, records::DecodeBatch(*value, request.changes));
    return std::optional<CommitResult>(std::move(result));
  }
  if (!absl::IsNotFound(value.status())) return value.status();
  FS_ASSIGN_OR_RETURN(const uint64_t last, LastBatch(kv, request.folder, request.agent_id));
  if (request.batch <= last) {
    return FailedPrecondition("batch {} is not remembered any more; the last one was {}",
                              request.batch, last);
  }
  return std::optional<CommitResult>();
}

void RememberBatch(const CommitRequest& request, const CommitResult& result, size_t remembered,
                   KvBatch& batch) {
  batch.Put(keys::kBatches, keys::Batch(request.folder, request.agent_id, request.batch),
            records::Encode(result, request.changes));
  std::string number;
  AppendBigEndian64(number, request.batch);
  batch.Put(keys::kBatches, keys::LastBatch(request.folder, request.agent_id), number);
  if (request.batch > remembered) {
    batch.Delete(keys::kBatches,
                 keys::Batch(request.folder, request.agent_id, request.batch - remembered));
  }
}

}  // namespace filesync
