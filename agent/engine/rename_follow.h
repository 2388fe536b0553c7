// RenameFollower: an edit that races with a rename elsewhere goes on at the new name. Here: a
// local edit of a file that was moved in the folder; the other way round is the commit flow's
// (commit_follow.cc), and a slice that brings a whole rename is moves.cc's. Two-way only.
//
// Invariant: nothing is decided here. The edited file is renamed, and the state says of the new
// name what was true of the old one: its base is what both sides agreed on, its remote entry is
// what the folder has there now. So the ordinary reconciliation at the new name commits the edit,
// or finds a conflict when the new name changed too. Engine's thread.
#pragma once

#include <map>
#include <vector>

#include "agent/engine/engine_context.h"
#include "agent/engine/situation.h"

namespace filesync {

class RenameFollower {
 public:
  explicit RenameFollower(EngineContext* context) : context_(context) {}

  // Tombstones of a slice, wherever they go: a chain of renames is followed over them.
  void Remember(const std::vector<Entry>& entries);

  // `path` was deleted by a commit from here, as this version. What the stream brings of it from
  // before would bring it back.
  void Deleted(const RelPath& path, uint64_t version) { deleted_[path] = version; }
  bool IsStale(const Entry& entry) const {
    const auto deleted = deleted_.find(entry.path);
    return deleted != deleted_.end() && entry.version < deleted->second;
  }
  // The stream has come to this version.
  void Passed(uint64_t version) {
    std::erase_if(deleted_, [&](const auto& deleted) { return deleted.second <= version; });
  }
  // A new stream tells each path once, as it is.
  void OnClosed() { deleted_.clear(); }

  enum class Answer : uint8_t {
    kNo,      // nothing to follow: reconcile as ever
    kLater,   // where it went is not known yet: ask again soon
    kFollows  // done: the new name is dirty, nothing is left to decide at the old one
  };
  // `situation`: its path is claimed by the caller.
  Answer Follow(const Situation& situation);

  // `directory` is to go, and holds something: part of it is about to go elsewhere.
  bool MayBecomeEmpty(const RelPath& directory) const;

  // `path` is missing here and was edited in the folder: it may be the old half of a rename that
  // is still to be found. `quiet`: nothing is under way that may find it.
  bool MayHaveMoved(const RelPath& path, bool quiet);
  void Forget(const RelPath& path) { missing_.erase(path); }
  size_t missing() const { return missing_.size(); }

 private:
  // What the folder has under the name that the file went to.
  struct Target {
    Entry entry;
    bool applied = false;  // it is in the base; else in the remote rows
  };
  absl::StatusOr<std::optional<Target>> FindTarget(const Entry& tombstone) const;
  absl::StatusOr<Answer> Move(const Situation& situation, const Target& target);

  struct Moved {
    RelPath to;
    uint64_t version = 0;
  };
  EngineContext* const context_;
  std::map<RelPath, Moved> moved_;
  struct Wait {
    uint64_t needed = 0;  // how far the cursor must be before a target that is not known is none
    absl::Time since;
  };
  std::map<RelPath, Wait> waits_;
  // Edits that stay where they are though this version of the old name says that it moved.
  std::map<RelPath, uint64_t> stays_;
  std::map<RelPath, absl::Time> missing_;
  std::map<RelPath, uint64_t> deleted_;
};

// Writes of the new name what was true of the old one; inside a transaction. `row`: the old
// name's base. `target`: what the folder has under the new name.
absl::Status RecordFollowed(State& state, const BaseRow& row, const Entry& target);

}  // namespace filesync
