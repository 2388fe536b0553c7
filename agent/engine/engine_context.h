// EngineContext: what the parts of one location's engine share. Everything not marked belongs
// to the engine's thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/arrivals.h"
#include "agent/engine/dirty_queue.h"
#include "agent/engine/file_preparer.h"
#include "agent/engine/filters.h"
#include "agent/engine/focus.h"
#include "agent/engine/held_paths.h"
#include "agent/engine/mailbox.h"
#include "agent/engine/progress.h"
#include "agent/engine/server_link.h"
#include "agent/engine/state/state.h"
#include "agent/engine/sync_event.h"
#include "libs/base/clock.h"
#include "libs/base/executor.h"
#include "libs/content/frame.h"
#include "libs/location/location.h"
#include "libs/model/conflict.h"
#include "libs/model/modes.h"
#include "libs/reconcile/conflict_policies.h"
#include "libs/telemetry/log.h"

namespace filesync {

class RenameFollower;

// Counters since the start; any thread.
struct EngineStats {
  std::atomic<uint64_t> commits = 0;
  std::atomic<uint64_t> conflicts = 0;
  std::atomic<uint64_t> reconnects = 0;
  std::atomic<uint64_t> scans = 0;
  std::atomic<double> scan_seconds = 0;
  // Entries: sent and received (directories and symlinks too), deleted, and renamed here.
  std::atomic<uint64_t> sent = 0;
  std::atomic<uint64_t> received = 0;
  std::atomic<uint64_t> deleted_there = 0;
  std::atomic<uint64_t> deleted_here = 0;
  std::atomic<uint64_t> moved = 0;

  void Count(SyncEvent::Kind kind);
};

// Paths that could not be synced, and when each is tried again. Engine's thread.
class Failures {
 public:
  struct Failure {
    std::string reason;
    int attempts = 0;
    bool conflict = false;             // waits for a person, not for another attempt
    std::optional<HeldConflict> held;  // of a conflict: its sides
  };
  void AddConflict(HeldConflict held, std::string reason);
  // Remembers the failure and returns how long to wait: 1 s doubling to 60 s.
  absl::Duration Add(const RelPath& path, const absl::Status& why);
  void Clear(const RelPath& path);
  // Clears `directory` and everything below it.
  void ClearTree(const RelPath& directory);
  const std::map<RelPath, Failure>& all() const { return failures_; }
  size_t size() const { return failures_.size(); }
  // Grows whenever a conflict comes, changes or goes.
  uint64_t conflict_changes() const { return conflict_changes_; }
  bool IsConflict(const RelPath& path) const;

 private:
  std::map<RelPath, Failure> failures_;
  uint64_t conflict_changes_ = 0;
};

// Paths that a commit or an apply is under way for. Engine's thread.
class InFlight {
 public:
  // False when somebody has it already; then Release will say that it was asked for.
  bool Claim(const RelPath& path);
  // True when somebody asked for it meanwhile: it must be looked at again.
  bool Release(const RelPath& path);
  bool Contains(const RelPath& path) const { return claimed_.contains(path); }
  std::vector<RelPath> Paths() const;
  size_t size() const { return claimed_.size(); }

 private:
  absl::flat_hash_map<RelPath, bool> claimed_;  // value: asked for meanwhile
};

// A file of at least so many bytes travels on its own and does not hold up small ones.
inline constexpr uint64_t kLargeFile = 16 << 20;

struct EngineContext {
  Location* location = nullptr;
  State* state = nullptr;
  ServerLink* link = nullptr;
  Clock* clock = nullptr;
  Logger* log = nullptr;
  Executor* pool = nullptr;  // reading, hashing
  FilePreparer* preparer = nullptr;
  Filters* filters = nullptr;
  RenameFollower* follower = nullptr;
  Mailbox mailbox;                                 // any thread
  EngineStats stats;                               // any thread
  ProgressTracker progress;                        // any thread
  std::function<void(const SyncEvent&)> on_event;  // called on the engine's thread

  // From the server's commit to its application here, by both hosts' clocks.
  std::function<void(absl::Duration)> on_propagation;

  // How chunks are compressed; any thread.
  std::atomic<int> zstd_level = FrameOptions().zstd_level;
  FrameOptions frame_options() const { return {zstd_level}; }

  std::string agent_id;
  std::string agent_name;
  Mode mode = Mode::kTwoWay;
  ConflictPolicies policies;

  DirtyQueue dirty;
  InFlight in_flight;
  Failures failures;
  // Set while a stream is welcomed.
  std::optional<WelcomeInfo> welcome;
  // Counts streams that ended: what was read, decided or fetched during one is not carried into
  // the next, where bases may be others.
  uint64_t session = 0;
  // Incarnation that versions received now belong to.
  std::string incarnation;
  // Conflict copies that were made and not committed yet, and of which path they are.
  std::map<RelPath, RelPath> conflict_origin;
  // Of which files the content is fetched; null: of all. The others are staged without it.
  std::function<bool(const Entry&)> fetches;
  // Asks for a scan of a subtree; set by the engine.
  std::function<void(const RelPath&)> scan_subtree;
  // A scan has not ended yet, or none did; set by the engine.
  std::function<bool()> scan_under_way;
  // Published head of the folder, as far as known.
  uint64_t head_version = 0;
  // How often a path was found being written, or refused for what should pass by itself.
  std::map<RelPath, int> busy;
  std::map<RelPath, int> rejected;
  // Directories that could not be listed; true when the scan under way found them so.
  absl::flat_hash_map<RelPath, bool> unknown;
  // What is never synced, or could not be stored: each said once.
  absl::flat_hash_set<std::string> said;
  // What is looked at; all, unless an engine was asked for a part.
  Focus focus;
  // How a person settled what was held there; until the path came right.
  std::map<RelPath, ConflictPolicy> decided;
  // What came into the root while it was not settled what vanished from it.
  Arrivals arrivals;
  // What waits for a person, and what a person said of it.
  HeldPaths held;
  // Whose side decides, where both sides are compared as a whole: about what has no base, or, when
  // `winner_all` is set, about everything. What it costs is agreed to when `winner_agreed` is.
  Winner winner = Winner::kNone;
  bool winner_all = false;
  bool winner_agreed = false;
  // How often a path changed while it was decided, since somebody began to win.
  absl::flat_hash_map<RelPath, int> unsteady;
  // How scans tell that a file needs no look; any thread. What was looked at is judged by all that
  // stat says, and then by its content.
  std::atomic<CompareBy> compare = CompareBy::kQuick;
  // Files whose content is to be read though they look unchanged; until they came right.
  absl::flat_hash_set<RelPath> verify;
  // The first version that the server gave out since it was started last, or put back.
  uint64_t incarnation_began = 0;
  // The host stopped under an agent: what looks damaged since is no edit.
  bool suspects_damage = false;
  // Something was installed that the state does not know of.
  bool unrecorded = false;
  // Ok when the root is what it was and was not suddenly emptied; set by the engine.
  std::function<absl::Status()> check_root_for_deletions;
  // A reason to halt: nothing is decided any more until it is gone.
  absl::Status halt;

  void Dirty(const RelPath& path) { DirtyAfter(path, absl::ZeroDuration()); }
  void DirtyAfter(const RelPath& path, absl::Duration delay) {
    if (focus.Shows(path)) dirty.Add(path, clock->Now() + delay);
  }
  // `path` was found changing; it is looked at again.
  void FoundChanging(const RelPath& path) {
    if (winner != Winner::kNone) ++unsteady[path];
  }
  // Ends what Claim began.
  void Release(const RelPath& path) {
    progress.Drop(path);
    if (in_flight.Release(path)) Dirty(path);
  }
  // `path` came right, unless it is a directory that could not be listed: what it holds is
  // known only after another scan.
  void ClearFailure(const RelPath& path) {
    decided.erase(path);
    verify.erase(path);
    if (unknown.contains(path)) {
      scan_subtree(path);
    } else {
      failures.Clear(path);
    }
  }
  // A scan of `directory` ended: what it could list there is no longer unknown.
  void ForgetUnknown(const RelPath& directory);
  // Remembers that `path` failed and tries again later.
  void Fail(const RelPath& path, const absl::Status& why);
  // Remembers that a path waits for a person's decision: looked at again when a side changes.
  void Hold(HeldConflict held, const char* why);
  // What a conflict at `path` is settled by: a person's word, else the policy.
  ConflictPolicy PolicyFor(const RelPath& path) const {
    const auto word = decided.find(path);
    return word != decided.end() ? word->second : policies.For(path);
  }
  // Logs what an operator needs to know once, however often it is met.
  void SayOnce(const std::string& what) {
    if (said.insert(what).second) log->Info("{}", what);
  }
  // FIFOs, sockets and devices are not synced.
  void SaySkipped(const RelPath& path);
  // Says what could not be stored: once for each reason, not for each path.
  void NoteLoss(const RelPath& path, const AttributeLoss& loss);
  // True when `path` failed and its next attempt has its moment: nothing is to hurry it.
  bool RetryIsPlanned(const RelPath& path) const;
  void Emit(SyncEvent event) {
    stats.Count(event.kind);
    if (on_event) on_event(event);
  }
};

// The model's view of what stands in the location; files need their content from elsewhere.
Entry ToEntry(const LocalEntry& local);

}  // namespace filesync
