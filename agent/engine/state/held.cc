// The state's part about what the brake holds.

#include "agent/engine/state/state.h"
#include "agent/engine/state/statement.h"
#include "libs/base/status.h"

namespace filesync {

absl::Status State::PutHeld(const HeldRow& row) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "INSERT OR REPLACE INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  statement.Blob(row.path.SortKey())
      .Int(static_cast<uint64_t>(row.direction))
      .Int(static_cast<uint64_t>(row.loss))
      .Int(static_cast<uint64_t>(row.verdict))
      .Int(static_cast<uint64_t>(row.winner))
      .Int(row.version);
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot write what is held");
}

absl::Status State::DeleteHeld(const RelPath& path) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "DELETE FROM held WHERE path = ?1");
  statement.Blob(path.SortKey());
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot delete");
}

absl::Status State::DropHeld() { return Execute("DELETE FROM held"); }

absl::StatusOr<std::vector<HeldRow>> State::AllHeld() {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT path, direction, loss, verdict, winner, version FROM held");
  std::vector<HeldRow> rows;
  while (true) {
    const int code = statement.Step();
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return Error("cannot read what is held");
    HeldRow row;
    FS_ASSIGN_OR_RETURN(row.path, RelPath::FromSortKey(statement.Bytes(0)));
    const uint64_t values[] = {statement.Number(1), statement.Number(2), statement.Number(3),
                               statement.Number(4)};
    if (values[0] > 1 || values[1] > 1 || values[2] > 2 || values[3] > 2) {
      return DataLoss("the state file holds a damaged row");
    }
    row.direction = static_cast<HeldRow::Direction>(values[0]);
    row.loss = static_cast<HeldRow::Loss>(values[1]);
    row.verdict = static_cast<HeldRow::Verdict>(values[2]);
    row.winner = static_cast<Winner>(values[3]);
    row.version = statement.Number(5);
    rows.push_back(std::move(row));
  }
}

}  // namespace filesync
