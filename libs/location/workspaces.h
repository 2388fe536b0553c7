// Workspaces: where files are made, and where what was replaced or deleted is kept. rename(2) works
// within one file system only, so each file system that is mounted in the root has a workspace of
// its own, a .syncagent/ with tmp/ and trash/ in its top directory. Thread-safe.
//
// Nothing is held open in a mounted file system longer than it is used, so that it can be
// unmounted. Which ones have a workspace is noted in the root's .syncagent/workspaces, so that what
// a stopped agent left there is found again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/location/placement.h"
#include "libs/location/trash.h"
#include "libs/paths/rel_path.h"

namespace filesync {

// Between two directories of one mount, on one device, files can be renamed.
struct MountedDevice {
  uint64_t mount = 0;  // 0: the kernel does not tell
  uint64_t device = 0;
  friend bool operator==(const MountedDevice&, const MountedDevice&) = default;
};

// Handles of one file system's tmp/ and trash/. Immutable.
class Workspace {
 public:
  // `mark`: locked as long as this lives, so that no other agent cleans up here; none for the
  // root's own, which has a lock.
  Workspace(const Clock* clock, const MountedDevice& where, UniqueFd tmp, UniqueFd trash,
            UniqueFd mark = UniqueFd())
      : where_(where),
        mark_(std::move(mark)),
        tmp_(std::move(tmp)),
        trash_(std::move(trash)),
        placement_(clock, tmp_.get(), trash_.get()) {}

  const MountedDevice& where() const { return where_; }
  int tmp() const { return tmp_.get(); }
  int trash() const { return trash_.get(); }
  // Works in directories that are `where` this is.
  const Placement& placement() const { return placement_; }

 private:
  const MountedDevice where_;
  const UniqueFd mark_;
  const UniqueFd tmp_;
  const UniqueFd trash_;
  const Placement placement_;
};
using WorkspacePtr = std::shared_ptr<const Workspace>;

struct WorkspacesOptions {
  std::string path;     // of the root
  bool shared = false;  // see CheckStateDirectory
};

class Workspaces {
 public:
  // `root` and `state`: handles that outlive this; `tmp` and `trash` are the root's own, and may be
  // none when nothing is to be changed.
  Workspaces(const Clock* clock, int root, int state, UniqueFd tmp, UniqueFd trash,
             WorkspacesOptions options);

  const WorkspacePtr& own() const { return own_; }
  // The one for what is in the directory `path`, open as `directory`. Made if there is none.
  absl::StatusOr<WorkspacePtr> For(int directory, const RelPath& path);
  // The one for what may come to be at `path`.
  absl::StatusOr<WorkspacePtr> Near(const RelPath& path);
  // What is in the directory `path`, open as `directory`, is changed without a workspace: SyncAll
  // has to know of its file system.
  absl::Status Use(int directory, const RelPath& path);
  // All there are now.
  std::vector<WorkspacePtr> All();
  // Makes everything in the root and in the file systems that were used durable.
  absl::Status SyncAll();
  // Removes what a stopped agent left. Only before anything is made. What another agent works with
  // stays, and what can't be removed from a mounted file system is no error.
  absl::Status CleanUp();

 private:
  struct Top {
    RelPath path;  // root: of the root's own file system
    MountedDevice where;
  };
  absl::StatusOr<Top> FindTop(int directory, const RelPath& path);
  // FailedPrecondition where names that are told apart in the root are one: there one file would
  // take the other's place.
  absl::Status CheckNames(const RelPath& top, const MountedDevice& where, int scratch)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<WorkspacePtr> OpenAt(const RelPath& top, const MountedDevice& where, bool make);
  // The workspace that `top` is noted to have; null while its file system is not mounted.
  absl::StatusOr<WorkspacePtr> OpenNoted(const RelPath& top);
  absl::Status Note(const RelPath& top) ABSL_LOCKS_EXCLUDED(mutex_);
  void ForgetUnmounted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::set<RelPath> Noted() ABSL_LOCKS_EXCLUDED(mutex_);

  const Clock* const clock_;
  const int root_;
  const int state_;
  const WorkspacesOptions options_;
  WorkspacePtr own_;
  absl::Mutex mutex_;
  std::set<RelPath> noted_ ABSL_GUARDED_BY(mutex_);                 // top directories
  std::map<RelPath, MountedDevice> exact_ ABSL_GUARDED_BY(mutex_);  // passed CheckNames
  std::set<RelPath> used_ ABSL_GUARDED_BY(mutex_);  // of those, and of what has no workspace
};

// What is in their trash; `place` is the workspace's index.
absl::StatusOr<std::vector<TrashedFile>> ListTrash(const std::vector<WorkspacePtr>& workspaces);

// Whether `directory` is the top of a mounted file system with a workspace: then its .syncagent is
// no part of the tree.
bool HoldsWorkspace(int directory);

}  // namespace filesync
