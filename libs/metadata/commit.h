// Commit: decides what becomes of each change of a batch. Reads the store, writes nothing.
//
// Invariant: whatever is accepted leaves a valid tree: every ancestor of a live entry is a live
// directory. The check is made on the state after the whole batch, so that the order of changes
// in it does not matter. One object per commit, one thread, under the folder's lock.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

// What stands at a path now, and what a change makes of it.
struct PlannedChange {
  Entry current;        // a tombstone of version 0 when nothing ever stood there
  bool writes = false;  // accepted, and not already so
};

class CommitPlan {
 public:
  CommitPlan(KvStore* kv, const CommitRequest& request, const ListReader& lists)
      : kv_(kv), request_(request), lists_(lists) {}

  // Fills outcomes (versions of what writes are not given out yet) and planned.
  absl::Status Make();

  std::vector<ChangeOutcome> outcomes;
  std::vector<PlannedChange> planned;

 private:
  absl::Status LoadCurrent();
  void CheckForm(size_t i);
  absl::Status CheckBase(size_t i);
  absl::StatusOr<uint64_t> FindInHistory(const Change& change);
  absl::StatusOr<uint64_t> VersionTheAgentHad();
  absl::Status CheckChunks();
  absl::Status CheckPieces(size_t i);
  bool BringsContent(size_t i) const;
  absl::StatusOr<std::vector<bool>> AreMissing(const std::vector<ChunkId>& ids);
  absl::Status CheckTree();
  absl::StatusOr<bool> CheckTreeOf(size_t i);
  absl::Status TakeAlong(size_t i, std::vector<size_t>& fallen);
  bool HasItsMovePartner(size_t i);
  bool RemovesDirectory(size_t i) const;
  void RejectForParent(size_t i, const RelPath& above);
  void RejectAsOccupied(size_t i);
  absl::StatusOr<EntryType> TypeAfter(const RelPath& path);
  absl::StatusOr<bool> HasLiveChildAfter(const RelPath& directory);
  void Reject(size_t i, RejectReason reason, std::string message);
  bool Accepted(size_t i) const { return outcomes[i].kind == ChangeOutcome::Kind::kAccepted; }
  // The index of the change of `path`; npos when the batch has none.
  size_t IndexOf(const RelPath& path) const;

  KvStore* const kv_;
  const CommitRequest& request_;
  const ListReader& lists_;
  absl::flat_hash_map<RelPath, size_t> index_;
  // Of changes, those of what is right in it.
  absl::flat_hash_map<size_t, std::vector<size_t>> children_;
  absl::flat_hash_map<RelPath, EntryType> stored_types_;
  size_t history_read_ = 0;      // records, for all changes together
  std::optional<uint64_t> had_;  // VersionTheAgentHad, once it was looked up
};

// InvalidArgument when the entry breaks a rule of form.
absl::Status CheckEntryForm(const Entry& entry);

}  // namespace filesync
