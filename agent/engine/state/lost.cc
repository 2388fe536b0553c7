// The state's part about what a server has lost: bases of versions that it does not know any more.

#include <sqlite3.h>

#include <utility>

#include "agent/engine/state/state.h"
#include "agent/engine/state/statement.h"
#include "libs/base/status.h"

namespace filesync {

absl::StatusOr<std::vector<Cursor>> State::NewestBases() {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(
      statement,
      "SELECT incarnation, MAX(version) FROM base WHERE version > 0 GROUP BY incarnation");
  std::vector<Cursor> newest;
  int code = SQLITE_ROW;
  while ((code = statement.Step()) == SQLITE_ROW) {
    newest.push_back({std::string(statement.Bytes(0)), statement.Number(1)});
  }
  if (code != SQLITE_DONE) return Error("cannot read bases");
  return newest;
}

absl::StatusOr<uint64_t> State::MarkLost(
    const std::function<bool(const std::string& incarnation, uint64_t version)>& keep) {
  std::lock_guard lock(mutex_);
  uint64_t lost = 0;
  std::optional<RelPath> after;
  while (true) {
    FS_ASSIGN_OR_RETURN(std::vector<BaseRow> page, BasePage(after, 1000));
    if (page.empty()) return lost;
    after = page.back().entry.path;
    for (BaseRow& row : page) {
      if (row.IsLost() || keep(row.incarnation, row.entry.version)) continue;
      row.entry.version = 0;
      row.incarnation.clear();
      FS_RETURN_IF_ERROR(PutBase(row));
      ++lost;
    }
  }
}

absl::StatusOr<bool> State::HasLost() {
  std::lock_guard lock(mutex_);
  STATE_PREPARE(statement, "SELECT 1 FROM base WHERE version = 0 LIMIT 1");
  const int code = statement.Step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return Error("cannot read bases");
  return code == SQLITE_ROW;
}

absl::StatusOr<std::vector<RelPath>> State::DropLost() {
  Transaction transaction(this);
  std::vector<RelPath> paths;
  {
    STATE_PREPARE(
        statement,
        "SELECT path FROM base WHERE version = 0 AND path NOT IN (SELECT path FROM remote)");
    int code = SQLITE_ROW;
    while ((code = statement.Step()) == SQLITE_ROW) {
      FS_ASSIGN_OR_RETURN(RelPath path, RelPath::FromSortKey(statement.Bytes(0)));
      paths.push_back(std::move(path));
    }
    if (code != SQLITE_DONE) return Error("cannot read bases");
  }
  FS_RETURN_IF_ERROR(
      Execute("DELETE FROM base WHERE version = 0 AND path NOT IN (SELECT path FROM remote)"));
  FS_RETURN_IF_ERROR(transaction.Commit());
  return paths;
}

}  // namespace filesync
