// DirtyQueue: paths to look at, each with the earliest moment to do so. A path is in it once.
// Thread-compatible: the engine's thread.
//
// Hold-back: a path that keeps changing is looked at in proportion to what looking costs (a
// quarter of the time at most, 10 s apart at most), so a log file that grows all the time does
// not keep an agent busy, while the first two saves on a quiet path go at once.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/paths/rel_path.h"

namespace filesync {

class DirtyQueue {
 public:
  // An earlier moment replaces a later one, but never one before the path's hold-back ends.
  void Add(const RelPath& path, absl::Time not_before);
  // Moves the moment later, whatever was asked before.
  void Postpone(const RelPath& path, absl::Time not_before);
  // Up to `limit` paths whose moment has come, in path order.
  std::vector<RelPath> TakeReady(absl::Time now, size_t limit);
  void Remove(const RelPath& path);
  // Tells that `path` was handled, which took `cost`.
  void Handled(const RelPath& path, absl::Time now, absl::Duration cost);

  bool Contains(const RelPath& path) const { return when_.contains(path); }
  size_t size() const { return when_.size(); }
  bool empty() const { return when_.empty(); }
  // Of the next path; InfiniteFuture when empty.
  absl::Time NextTime() const;
  std::vector<RelPath> Some(size_t limit) const;
  // When `path` is to be looked at; InfiniteFuture when it is not in the queue.
  absl::Time When(const RelPath& path) const;

 private:
  struct Hold {
    absl::Time handled;
    absl::Time until;
    int repetitions = 0;  // handlings that followed one another closely
  };
  void Set(const RelPath& path, absl::Time time);

  absl::flat_hash_map<RelPath, absl::Time> when_;
  std::set<std::pair<absl::Time, RelPath>> order_;
  static constexpr size_t kHoldsBeforePruning = 4096;
  absl::flat_hash_map<RelPath, Hold> holds_;
  size_t prune_at_ = kHoldsBeforePruning;
};

}  // namespace filesync
