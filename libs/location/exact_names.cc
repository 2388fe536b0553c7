#include "libs/location/exact_names.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr char kOtherCase[] = ".SYNCAGENT";
// One letter, composed and decomposed.
constexpr char kComposed[] = "\xc3\xa9";
constexpr char kDecomposed[] = "e\xcc\x81";

bool SameFile(const absl::StatusOr<struct stat>& a, const absl::StatusOr<struct stat>& b) {
  return a.ok() && b.ok() && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

class ExactNames final : public LocalDirectory {
 public:
  ExactNames(std::unique_ptr<LocalDirectory> inner, UniqueFd root)
      : inner_(std::move(inner)), root_(std::move(root)) {}

  const std::string& description() const override { return inner_->description(); }
  const RootIdentity& identity() const override { return inner_->identity(); }
  std::string StateDirectoryPath() const override { return inner_->StateDirectoryPath(); }
  absl::Status WriteNote(const std::string& name, std::string_view bytes) override {
    return inner_->WriteNote(name, bytes);
  }
  absl::Status CheckRoot() override { return inner_->CheckRoot(); }
  Preserve preserve() const override { return inner_->preserve(); }
  bool HasFineGrainedTimes() const override { return inner_->HasFineGrainedTimes(); }

  Look LookAt(const RelPath& path) override {
    Look look = inner_->LookAt(path);
    if (look.presence != Look::Presence::kPresent) return look;
    const absl::StatusOr<Found> found = Find(path);
    if (found.ok() && found->exact) return look;
    Look other;
    other.presence = found.ok() ? Look::Presence::kAbsent : Look::Presence::kUnknown;
    other.why = found.status();
    return other;
  }

  absl::StatusOr<Listing> List(const RelPath& directory) override {
    return inner_->List(directory);
  }
  absl::StatusOr<std::unique_ptr<LocalFile>> Open(const RelPath& path) override {
    return inner_->Open(path);
  }
  absl::StatusOr<std::unique_ptr<StagedFile>> Stage(const RelPath& path,
                                                    uint64_t size_hint) override {
    return inner_->Stage(path, size_hint);
  }
  absl::StatusOr<std::unique_ptr<StagedFile>> StageSparse(const RelPath& path,
                                                          uint64_t data_bytes) override {
    return inner_->StageSparse(path, data_bytes);
  }
  absl::Status SyncStaged(std::span<StagedFile* const> files) override {
    return inner_->SyncStaged(files);
  }

  absl::StatusOr<ApplyResult> InstallFile(StagedFile& staged, const RelPath& path,
                                          const std::optional<Fingerprint>& expected) override {
    return Put(path, [&] { return inner_->InstallFile(staged, path, expected); });
  }
  absl::StatusOr<ApplyResult> InstallSymlink(const RelPath& path, const std::string& target,
                                             int64_t mtime_ns,
                                             const std::optional<Fingerprint>& expected) override {
    return Put(path, [&] { return inner_->InstallSymlink(path, target, mtime_ns, expected); });
  }
  absl::StatusOr<ApplyResult> MakeDirectory(const RelPath& path, uint32_t mode) override {
    return Put(path, [&] { return inner_->MakeDirectory(path, mode); });
  }

  absl::StatusOr<ApplyResult> SetMetadata(const RelPath& path, const Fingerprint& expected,
                                          uint32_t mode, int64_t mtime_ns) override {
    FS_ASSIGN_OR_RETURN(const Found found, Find(path));
    if (!found.exact) return ApplyResult{ApplyKind::kChanged, {}, {}, {}};
    return inner_->SetMetadata(path, expected, mode, mtime_ns);
  }
  absl::StatusOr<ApplyResult> SetAttributes(const RelPath& path, const Fingerprint& expected,
                                            const Attributes& wanted) override {
    FS_ASSIGN_OR_RETURN(const Found found, Find(path));
    if (!found.exact) return ApplyResult{ApplyKind::kChanged, {}, {}, {}};
    return inner_->SetAttributes(path, expected, wanted);
  }
  absl::StatusOr<ApplyResult> Remove(const RelPath& path, const Fingerprint& expected) override {
    FS_ASSIGN_OR_RETURN(const Found found, Find(path));
    if (!found.exact) return ApplyResult{ApplyKind::kApplied, {}, {}, {}};
    return inner_->Remove(path, expected);
  }
  // Unless all of it is plain, the two halves go one by one.
  absl::StatusOr<ApplyResult> Move(const RelPath& from, const Fingerprint& expected,
                                   const RelPath& to) override {
    FS_ASSIGN_OR_RETURN(const Found old, Find(from));
    FS_ASSIGN_OR_RETURN(const Found taken, Find(to));
    if (!old.exact || taken.exact || taken.other.has_value()) {
      return ApplyResult{ApplyKind::kChanged, {}, {}, {}};
    }
    return inner_->Move(from, expected, to);
  }
  absl::StatusOr<ApplyResult> MoveOver(const RelPath& from, const Fingerprint& expected,
                                       const RelPath& to, const Fingerprint& replaced) override {
    FS_ASSIGN_OR_RETURN(const Found old, Find(from));
    FS_ASSIGN_OR_RETURN(const Found taken, Find(to));
    if (!old.exact || !taken.exact) return ApplyResult{ApplyKind::kChanged, {}, {}, {}};
    return inner_->MoveOver(from, expected, to, replaced);
  }

  absl::Status SyncDirectories(std::span<const RelPath> directories) override {
    return inner_->SyncDirectories(directories);
  }
  absl::StatusOr<std::unique_ptr<Watcher>> NewWatcher() override { return inner_->NewWatcher(); }
  absl::Status CleanUp() override { return inner_->CleanUp(); }
  absl::StatusOr<TrashRemoved> LimitTrash(const TrashLimits& limits) override {
    return inner_->LimitTrash(limits);
  }
  uint64_t TrashPuts() const override { return inner_->TrashPuts(); }

 private:
  struct Found {
    bool exact = false;            // it is there, and all the way down is called so
    std::optional<RelPath> other;  // what stands in its way under another name
  };

  // Errors: a directory above could not be listed.
  absl::StatusOr<Found> Find(const RelPath& path) const {
    if (path.IsRoot()) return Found{true, std::nullopt};
    FS_ASSIGN_OR_RETURN(Found above, Find(path.Parent()));
    if (!above.exact) return above;
    absl::StatusOr<UniqueFd> directory =
        OpenBeneath(root_.get(), path.Parent().bytes(), O_RDONLY | O_DIRECTORY);
    if (!directory.ok()) {
      // A file or a symlink where a directory was.
      if (ErrnoOf(directory.status()) == ENOENT || ErrnoOf(directory.status()) == ENOTDIR ||
          ErrnoOf(directory.status()) == ELOOP) {
        return Found();
      }
      return directory.status();
    }
    const std::string name(path.Name());
    const absl::StatusOr<struct stat> there = StatAt(directory->get(), name);
    if (!there.ok()) {
      if (ErrnoOf(there.status()) == ENOENT) return Found();
      return there.status();
    }
    FS_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListNames(fmt::format("/proc/self/fd/{}", directory->get())));
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return Found{true, std::nullopt};
    }
    return Found{false, Holder(path, directory->get(), names, there)};
  }

  // Under which of the names it is listed.
  static RelPath Holder(const RelPath& path, int directory, const std::vector<std::string>& names,
                        const absl::StatusOr<struct stat>& there) {
    for (const std::string& name : names) {
      if (!SameFile(there, StatAt(directory, name))) continue;
      if (absl::StatusOr<RelPath> holder = path.Parent().Child(name); holder.ok()) return *holder;
    }
    return path;
  }

  template <typename Install>
  absl::StatusOr<ApplyResult> Put(const RelPath& path, const Install& install) {
    FS_ASSIGN_OR_RETURN(const Found before, Find(path));
    if (before.other.has_value()) {
      return FailedPrecondition("{} stands in its way, which this file system takes for the same",
                                before.other->ForPeople());
    }
    FS_ASSIGN_OR_RETURN(ApplyResult result, install());
    if (before.exact || result.kind != ApplyKind::kApplied) return result;
    FS_ASSIGN_OR_RETURN(const Found after, Find(path));
    if (after.exact) return result;
    (void)inner_->Remove(path, result.fingerprint);
    return FailedPrecondition("this file system can't hold its name");
  }

  const std::unique_ptr<LocalDirectory> inner_;
  const UniqueFd root_;
};

}  // namespace

bool FoldsCase(int root) {
  return SameFile(StatAt(root, std::string(kStateDirectoryName)), StatAt(root, kOtherCase));
}

bool FoldsUnicode(int scratch) {
  const std::string unique = HexEncode(RandomBytes(8));
  const std::string made = unique + kComposed;
  const UniqueFd file(openat(scratch, made.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!file.ok()) return false;
  const bool folds = SameFile(StatFd(file.get()), StatAt(scratch, unique + kDecomposed));
  unlinkat(scratch, made.c_str(), 0);
  return folds;
}

bool FoldsNames(int scratch) {
  const std::string made = HexEncode(RandomBytes(8)) + "a";
  const UniqueFd file(openat(scratch, made.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!file.ok()) return false;
  const std::string other = made.substr(0, made.size() - 1) + "A";
  const bool folds = SameFile(StatFd(file.get()), StatAt(scratch, other));
  unlinkat(scratch, made.c_str(), 0);
  return folds || FoldsUnicode(scratch);
}

std::unique_ptr<LocalDirectory> WithExactNames(std::unique_ptr<LocalDirectory> inner,
                                               UniqueFd root) {
  return std::make_unique<ExactNames>(std::move(inner), std::move(root));
}

}  // namespace filesync
