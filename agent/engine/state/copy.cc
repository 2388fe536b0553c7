// A state in memory, for a dry run.

#include <sqlite3.h>

#include <algorithm>

#include "agent/engine/state/state.h"
#include "libs/base/scratch.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr char kInMemory[] = ":memory:";
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

absl::StatusOr<std::unique_ptr<State>> State::OpenCopy(const std::string& directory,
                                                       const std::string& name) {
  if (directory.empty()) return Open(kInMemory);
  // SQLite would make files beside the one it reads, and bring it up to date from the log.
  FS_ASSIGN_OR_RETURN(const ScratchDirectory scratch, ScratchDirectory::Make());
  absl::StatusOr<std::vector<std::string>> copied =
      CopyWhileStill(directory, {name, name + "-wal"}, scratch.path(), kPatience);
  FS_RETURN_IF_ERROR(Annotate(copied.status(), "cannot copy the state"));
  const bool exists = std::find(copied->begin(), copied->end(), name) != copied->end();
  FS_ASSIGN_OR_RETURN(std::unique_ptr<State> memory, Open(kInMemory));
  if (!exists) return memory;
  FS_ASSIGN_OR_RETURN(const std::unique_ptr<State> file,
                      Open(fmt::format("{}/{}", scratch.path(), name)));
  FS_RETURN_IF_ERROR(memory->CopyFrom(*file));
  return memory;
}

absl::Status State::CopyFrom(State& other) {
  std::lock_guard lock(mutex_);
  // A statement that was compiled for what is replaced may not be in use.
  for (const Prepared& prepared : statements_) sqlite3_finalize(prepared.statement);
  statements_.clear();
  remotes_ = Remotes::kNotKnown;
  sqlite3_backup* backup = sqlite3_backup_init(db_, "main", other.db_, "main");
  if (backup == nullptr) return Error("cannot copy");
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return Error("cannot copy");
  return absl::OkStatus();
}

}  // namespace filesync
