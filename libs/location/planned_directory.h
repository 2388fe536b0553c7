// PlannedDirectory: a local directory as it would be after what is asked of it, for dry runs:
// installs, removals and moves are remembered and answered as done, and nothing is touched.
//
// Invariants: no call changes anything in the directory below; what was not planned otherwise is
// told as that one tells it. A planned file has no content unless all of its bytes were appended
// (rule files, which decide about others) or it is a local file that moved. Files that the
// directory below would refuse (no space, no permission) are not foreseen. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/location/local_directory.h"

namespace filesync {

class PlannedDirectory final : public LocalDirectory {
 public:
  // `inner`: as OpenToLook returns it. The clock must outlive this.
  PlannedDirectory(std::unique_ptr<LocalDirectory> inner, const Clock* clock)
      : inner_(std::move(inner)), clock_(clock) {}

  const std::string& description() const override { return inner_->description(); }
  const RootIdentity& identity() const override { return inner_->identity(); }
  std::string StateDirectoryPath() const override { return inner_->StateDirectoryPath(); }
  absl::Status WriteNote(const std::string&, std::string_view) override { return absl::OkStatus(); }
  Preserve preserve() const override { return inner_->preserve(); }
  bool HasFineGrainedTimes() const override { return inner_->HasFineGrainedTimes(); }
  absl::Status CheckRoot() override { return inner_->CheckRoot(); }

  Look LookAt(const RelPath& path) override;
  absl::StatusOr<Listing> List(const RelPath& directory) override;
  absl::StatusOr<std::unique_ptr<LocalFile>> Open(const RelPath& path) override;
  absl::StatusOr<std::unique_ptr<StagedFile>> Stage(const RelPath& path,
                                                    uint64_t size_hint) override;
  absl::StatusOr<std::unique_ptr<StagedFile>> StageSparse(const RelPath& path,
                                                          uint64_t data_bytes) override;
  absl::Status SyncStaged(std::span<StagedFile* const>) override { return absl::OkStatus(); }
  absl::StatusOr<ApplyResult> InstallFile(StagedFile& staged, const RelPath& path,
                                          const std::optional<Fingerprint>& expected) override;
  absl::StatusOr<ApplyResult> InstallSymlink(const RelPath& path, const std::string& target,
                                             int64_t mtime_ns,
                                             const std::optional<Fingerprint>& expected) override;
  absl::StatusOr<ApplyResult> MakeDirectory(const RelPath& path, uint32_t mode) override;
  absl::StatusOr<ApplyResult> SetMetadata(const RelPath& path, const Fingerprint& expected,
                                          uint32_t mode, int64_t mtime_ns) override;
  absl::StatusOr<ApplyResult> SetAttributes(const RelPath& path, const Fingerprint& expected,
                                            const Attributes& wanted) override;
  absl::StatusOr<ApplyResult> Remove(const RelPath& path, const Fingerprint& expected) override;
  absl::StatusOr<ApplyResult> Move(const RelPath& from, const Fingerprint& expected,
                                   const RelPath& to) override;
  absl::Status SyncDirectories(std::span<const RelPath>) override { return absl::OkStatus(); }
  // Unimplemented: what changes during a dry run is not followed.
  absl::StatusOr<std::unique_ptr<Watcher>> NewWatcher() override;
  absl::Status CleanUp() override { return absl::OkStatus(); }

 private:
  // What is planned to stand at a path.
  struct Node {
    bool present = true;
    LocalEntry entry;
    // Where its content is read from now; the root: nowhere.
    RelPath origin;
    // Of a file without an origin, when its content is known.
    std::shared_ptr<const std::string> bytes;
  };

  Look LookLocked(const RelPath& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Listing> ListLocked(const RelPath& directory)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What stands at `path`, as a node that can be changed or moved.
  Node NodeAt(const Look& look) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ok when there is a directory to put `path` into.
  absl::Status CheckParent(const RelPath& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ok to replace what stands at `path`: kApplied, or kChanged.
  ApplyKind MayInstall(const RelPath& path, const std::optional<Fingerprint>& expected)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ApplyResult Put(Node node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What of `wanted` is preserved here; any of it can be stored.
  void PutAttributes(const Attributes& wanted, LocalEntry& entry) const;
  void PutAbsent(const RelPath& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Fingerprint NewFingerprint(const RelPath& path, uint64_t size, int64_t mtime_ns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MoveBelow(const RelPath& from, const RelPath& to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<LocalDirectory> inner_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  std::map<RelPath, Node> planned_ ABSL_GUARDED_BY(mutex_);
  uint64_t inodes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace filesync
