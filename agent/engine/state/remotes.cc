// The state's part about remote entries that are known and not applied.

#include <sqlite3.h>

#include "agent/engine/state/state.h"
#include "agent/engine/state/statement.h"
#include "libs/base/status.h"

namespace filesync {

bool State::HasNoRemotes() {
  // Now and then, for there may have been some and be none any more.
  static constexpr int kAskAgain = 256;
  if (++asked_of_remotes_ >= kAskAgain) remotes_ = Remotes::kNotKnown;
  if (remotes_ != Remotes::kNotKnown) return remotes_ == Remotes::kNone;
  asked_of_remotes_ = 0;
  absl::StatusOr<Statement> statement = Prepare("SELECT 1 FROM remote LIMIT 1");
  if (!statement.ok()) return false;
  const int code = statement->Step();
  if (code == SQLITE_ROW) remotes_ = Remotes::kSome;
  if (code == SQLITE_DONE) remotes_ = Remotes::kNone;
  return remotes_ == Remotes::kNone;
}

absl::StatusOr<std::optional<Entry>> State::GetRemote(const RelPath& path) {
  std::lock_guard lock(mutex_);
  if (HasNoRemotes()) return std::optional<Entry>();
  STATE_PREPARE(statement, "SELECT entry FROM remote WHERE path = ?1");
  statement.Blob(path.SortKey());
  switch (statement.Step()) {
    case SQLITE_ROW: {
      FS_ASSIGN_OR_RETURN(Entry entry, DecodeEntry(statement.Bytes(0)));
      return std::optional<Entry>(std::move(entry));
    }
    case SQLITE_DONE:
      return std::optional<Entry>();
    default:
      return Error("cannot read a remote entry");
  }
}

absl::Status State::PutRemote(const Entry& entry) {
  std::lock_guard lock(mutex_);
  remotes_ = Remotes::kSome;
  STATE_PREPARE(statement, "INSERT OR REPLACE INTO remote VALUES (?1, ?2)");
  statement.Blob(entry.path.SortKey()).Blob(EncodeEntry(entry));
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot write a remote entry");
}

absl::Status State::DeleteRemote(const RelPath& path) {
  std::lock_guard lock(mutex_);
  if (HasNoRemotes()) return absl::OkStatus();
  STATE_PREPARE(statement, "DELETE FROM remote WHERE path = ?1");
  statement.Blob(path.SortKey());
  return statement.Step() == SQLITE_DONE ? absl::OkStatus() : Error("cannot delete");
}

absl::Status State::DeleteRemoteUpTo(const RelPath& path, uint64_t version) {
  FS_ASSIGN_OR_RETURN(const std::optional<Entry> known, GetRemote(path));
  if (!known.has_value() || known->version > version) return absl::OkStatus();
  return DeleteRemote(path);
}

absl::StatusOr<std::vector<RelPath>> State::RemotePage(const std::optional<RelPath>& after,
                                                       size_t limit) {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT path FROM remote WHERE path > ?1 ORDER BY path LIMIT ?2");
  statement.Blob(after.has_value() ? after->SortKey() : "").Int(limit);
  std::vector<RelPath> paths;
  while (true) {
    const int code = statement.Step();
    if (code == SQLITE_DONE) return paths;
    if (code != SQLITE_ROW) return Error("cannot read remote entries");
    FS_ASSIGN_OR_RETURN(RelPath path, RelPath::FromSortKey(statement.Bytes(0)));
    paths.push_back(std::move(path));
  }
}

absl::StatusOr<uint64_t> State::CountRemote() {
  std::lock_guard lock(mutex_);
  if (HasNoRemotes()) return 0;
  STATE_PREPARE(statement, "SELECT COUNT(*) FROM remote");
  if (statement.Step() != SQLITE_ROW) return Error("cannot count remote entries");
  return statement.Number(0);
}

absl::StatusOr<bool> State::HasRemoteBelow(const RelPath& directory) {
  FS_ASSIGN_OR_RETURN(const std::vector<RelPath> next, RemotePage(directory, 1));
  return !next.empty() && next.front().IsAtOrBelow(directory);
}

absl::Status State::DropAllRemotes() { return Execute("DELETE FROM remote; DELETE FROM ignored"); }

}  // namespace filesync
