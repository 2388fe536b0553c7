// The entries that the folder holds under ignored names.

#include "agent/engine/state/state.h"
#include "agent/engine/state/statement.h"
#include "libs/base/status.h"

namespace filesync {

absl::Status State::PutIgnored(const IgnoredRow& row) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "INSERT OR REPLACE INTO ignored VALUES (?1, ?2, ?3, ?4)");
  statement.Blob(row.entry.path.SortKey()).Blob(EncodeEntry(row.entry));
  if (row.base.has_value()) {
    statement.Blob(EncodeEntry(*row.base)).Blob(row.incarnation);
  } else {
    statement.Null().Null();
  }
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot write an entry");
}

absl::StatusOr<IgnoredRow> State::ReadIgnoredRow(Statement& statement) {
  IgnoredRow row;
  FS_ASSIGN_OR_RETURN(row.entry, DecodeEntry(statement.Bytes(0)));
  if (statement.IsNull(1)) return row;
  FS_ASSIGN_OR_RETURN(row.base, DecodeEntry(statement.Bytes(1)));
  row.incarnation = std::string(statement.Bytes(2));
  return row;
}

absl::StatusOr<std::optional<IgnoredRow>> State::GetIgnored(const RelPath& path) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT entry, base, incarnation FROM ignored WHERE path = ?1");
  statement.Blob(path.SortKey());
  const int code = statement.Step();
  if (code == SQLITE_DONE) return std::nullopt;
  if (code != SQLITE_ROW) return Error("cannot read an ignored entry");
  return ReadIgnoredRow(statement);
}

absl::Status State::DeleteIgnored(const RelPath& path) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "DELETE FROM ignored WHERE path = ?1");
  statement.Blob(path.SortKey());
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot delete");
}

absl::StatusOr<std::vector<IgnoredRow>> State::IgnoredPage(const std::optional<RelPath>& after,
                                                           size_t limit) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement,
                "SELECT entry, base, incarnation FROM ignored WHERE path > ?1 ORDER BY path "
                "LIMIT ?2");
  statement.Blob(after.has_value() ? after->SortKey() : "").Int(limit);
  std::vector<IgnoredRow> rows;
  while (true) {
    const int code = statement.Step();
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return Error("cannot read ignored entries");
    FS_ASSIGN_OR_RETURN(IgnoredRow row, ReadIgnoredRow(statement));
    rows.push_back(std::move(row));
  }
}

absl::StatusOr<bool> State::HasIgnoredBelow(const RelPath& directory) {
  FS_ASSIGN_OR_RETURN(const std::vector<IgnoredRow> next, IgnoredPage(directory, 1));
  return !next.empty() && next.front().entry.path.IsAtOrBelow(directory);
}

}  // namespace filesync
