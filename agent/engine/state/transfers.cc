// The state's part about transfers: commits that wait for their answer, and the cache of
// content list pieces.

#include "agent/engine/state/state.h"
#include "agent/engine/state/statement.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {

absl::StatusOr<uint64_t> State::LastBatchNumber() {
  FS_ASSIGN_OR_RETURN(const auto value, GetMeta("last_batch"));
  if (!value.has_value() || value->size() != 8) return 0;
  return ReadBigEndian64(value->data());
}

absl::Status State::SetLastBatchNumber(uint64_t number) {
  std::string value;
  AppendBigEndian64(value, number);
  return SetMeta("last_batch", value);
}

absl::StatusOr<uint64_t> State::AddPendingBatch(const std::vector<PendingChange>& changes) {
  Transaction transaction(this);
  FS_ASSIGN_OR_RETURN(const uint64_t last, LastBatchNumber());
  const uint64_t number = last + 1;
  FS_RETURN_IF_ERROR(SetLastBatchNumber(number));
  {
    STATE_PREPARE(statement, "INSERT INTO batches VALUES (?1, ?2)");
    std::vector<PendingChange> stored = changes;
    for (PendingChange& pending : stored) {
      pending.fingerprint.device = StoredDevice(pending.fingerprint.device);
    }
    statement.Int(number).Blob(EncodePendingChanges(stored));
    if (statement.Step() != SQLITE_DONE) return Error("cannot write a commit");
  }
  FS_RETURN_IF_ERROR(transaction.Commit());
  return number;
}

absl::StatusOr<std::vector<PendingBatch>> State::PendingBatches() {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT number, changes FROM batches ORDER BY number");
  std::vector<PendingBatch> batches;
  while (true) {
    const int code = statement.Step();
    if (code == SQLITE_DONE) return batches;
    if (code != SQLITE_ROW) return Error("cannot read commits");
    PendingBatch batch;
    batch.number = statement.Number(0);
    FS_ASSIGN_OR_RETURN(batch.changes, DecodePendingChanges(statement.Bytes(1)));
    for (PendingChange& pending : batch.changes) {
      pending.fingerprint.device = DeviceFrom(pending.fingerprint.device);
    }
    batches.push_back(std::move(batch));
  }
}

absl::Status State::DeletePendingBatch(uint64_t number) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "DELETE FROM batches WHERE number = ?1");
  statement.Int(number);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot delete a commit");
}

absl::Status State::DropPendingBatches() { return Execute("DELETE FROM batches"); }

absl::Status State::PutPieces(const RelPath& path, const ContentHash& content,
                              const ContentHash& keep,
                              const std::vector<std::pair<ChunkId, std::string>>& pieces) {
  std::lock_guard lock(mutex_);
  const std::string key = path.SortKey();
  for (const auto& [id, bytes] : pieces) {
    STATE_PREPARE(insert, "INSERT OR REPLACE INTO pieces VALUES (?1, ?2, ?3, ?4)");
    insert.Blob(id.bytes()).Blob(key).Blob(content.bytes()).Blob(bytes);
    if (insert.Step() != SQLITE_DONE) return Error("cannot write a list piece");
  }
  STATE_PREPARE(prune, "DELETE FROM pieces WHERE path = ?1 AND content NOT IN (?2, ?3)");
  prune.Blob(key).Blob(content.bytes()).Blob(keep.bytes());
  return prune.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot delete list pieces");
}

absl::StatusOr<std::vector<std::optional<std::string>>> State::GetPieces(
    const std::vector<ChunkId>& ids) {
  std::lock_guard lock(mutex_);
  std::vector<std::optional<std::string>> pieces;
  for (const ChunkId& id : ids) {
    STATE_PREPARE(statement, "SELECT bytes FROM pieces WHERE id = ?1");
    statement.Blob(id.bytes());
    switch (statement.Step()) {
      case SQLITE_ROW:
        pieces.emplace_back(statement.Bytes(0));
        break;
      case SQLITE_DONE:
        pieces.emplace_back(std::nullopt);
        break;
      default:
        return Error("cannot read a list piece");
    }
  }
  return pieces;
}

}  // namespace filesync
