// HeldPaths: which paths wait for a person, and what a person said that is not carried out yet.
//
// Kept in the state, so that what is held stays held, and what was decided stays decided, over
// restarts and kills; a copy in memory answers. A row about an incoming change counts only while
// the remote entry is the one that it is about. Engine's thread.
#pragma once

#include <map>
#include <vector>

#include "agent/engine/state/state.h"

namespace filesync {

// How many entries a person is to decide about.
struct HeldCounts {
  uint64_t deletions = 0;
  uint64_t replacements = 0;
  // Of these, as paths: for one side to win.
  uint64_t for_winner = 0;
  uint64_t total() const { return deletions + replacements; }
};

class HeldPaths {
 public:
  using Direction = HeldRow::Direction;

  // Before anything else. `state` must outlive it.
  absl::Status Load(State* state);
  // Null: nothing is held or decided about `path`.
  const HeldRow* Find(const RelPath& path) const;
  // The same, when it is about this direction.
  const HeldRow* Find(const RelPath& path, Direction direction) const;
  // A person undid it, and that is not carried out yet.
  bool IsUndone(const RelPath& path, Direction direction) const;
  // `path` or a directory above it waits for a verdict in this direction.
  bool WaitsAtOrAbove(const RelPath& path, Direction direction) const;
  // Something below `directory` does.
  bool WaitsBelow(const RelPath& directory, Direction direction) const;
  // How many paths do.
  uint64_t CountBelow(const RelPath& directory, Direction direction) const;
  absl::Status Put(const HeldRow& row);
  absl::Status Erase(const RelPath& path);
  absl::Status Clear();
  // Those that wait for a verdict.
  std::vector<HeldRow> Waiting(Direction direction) const;
  // A person's word about all that waits. Each returns the paths that it is about, to be looked at
  // again; all of it or nothing is written: a part left over would be few enough to go.
  absl::StatusOr<std::vector<RelPath>> ConfirmAll();
  // What is gone or was replaced here counts as news from the folder; what came from the folder is
  // to be replaced by what is here; where somebody was to win, nobody does.
  absl::StatusOr<std::vector<RelPath>> UndoAll();
  const std::map<RelPath, HeldRow>& all() const { return rows_; }
  // Changes with every change.
  uint64_t generation() const { return generation_; }

 private:
  absl::Status Undo(HeldRow row, std::vector<RelPath>& paths);

  State* state_ = nullptr;
  std::map<RelPath, HeldRow> rows_;
  uint64_t generation_ = 0;
};

}  // namespace filesync
