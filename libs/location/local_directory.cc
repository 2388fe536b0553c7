#include "libs/location/local_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <set>

#include "absl/synchronization/mutex.h"
#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/directory_reader.h"
#include "libs/location/exact_names.h"
#include "libs/location/file_times.h"
#include "libs/location/inotify_watcher.h"
#include "libs/location/local_root.h"
#include "libs/location/posix_file.h"
#include "libs/location/posix_stat.h"
#include "libs/location/trash.h"
#include "libs/location/workspaces.h"
#include "libs/location/writable_moment.h"

namespace filesync {
namespace {

constexpr char kTmp[] = "tmp";
constexpr char kTrash[] = "trash";
// From this many on, one syncfs costs less than an fsync each.
constexpr size_t kSyncAllFrom = 16;
// FAT keeps times in steps of two seconds.
constexpr absl::Duration kCoarsestTime = absl::Seconds(2);
// A file that was touched longer ago than this is not being saved, even if it is open.
constexpr absl::Duration kWriterQuiet = absl::Seconds(2);

Look Absent() {
  Look look;
  look.presence = Look::Presence::kAbsent;
  return look;
}

Look UnknownLook(const absl::Status& why) {
  Look look;
  look.presence = Look::Presence::kUnknown;
  look.why = why;
  return look;
}

// ENOENT is the only absence; a path through something that is no directory, or through a
// symlink, leads nowhere beneath the root either.
bool ProvesAbsence(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

class PosixDirectory final : public LocalDirectory {
 public:
  PosixDirectory(std::string path, const Clock* clock, UniqueFd root, UniqueFd state, UniqueFd tmp,
                 UniqueFd trash, UniqueFd lock, RootIdentity identity, Preserve preserve,
                 bool shared)
      : path_(std::move(path)),
        clock_(clock),
        root_(std::move(root)),
        state_(std::move(state)),
        lock_(std::move(lock)),
        workspaces_(clock, root_.get(), state_.get(), std::move(tmp), std::move(trash),
                    {.path = path_, .shared = shared}),
        identity_(std::move(identity)),
        attributes_(preserve),
        fine_grained_(TellsWritesApart(root_.get(), workspaces_.own())) {}

  const std::string& description() const override { return path_; }
  const RootIdentity& identity() const override { return identity_; }
  std::string StateDirectoryPath() const override {
    if (!state_.ok()) return "";
    return fmt::format("/proc/self/fd/{}", state_.get());
  }
  absl::Status WriteNote(const std::string& name, std::string_view bytes) override {
    return lock_.ok() ? ReplaceFile(state_.get(), name, bytes) : absl::OkStatus();
  }
  Preserve preserve() const override { return attributes_.preserve(); }
  bool HasFineGrainedTimes() const override { return fine_grained_; }

  absl::Status CheckRoot() override {
    // Looked at, not synced: there may be no marker.
    const bool marked = lock_.ok() || !identity_.created;
    return CheckLocalRoot(path_, identity_, marked);
  }

  Look LookAt(const RelPath& path) override {
    absl::StatusOr<UniqueFd> parent = OpenParent(path);
    if (!parent.ok()) {
      return ProvesAbsence(parent.status()) ? Absent() : UnknownLook(parent.status());
    }
    const std::string name = path.IsRoot() ? "." : std::string(path.Name());
    absl::StatusOr<LocalEntry> entry = EntryAt(parent->get(), name, path, attributes_);
    if (!entry.ok()) {
      return ErrnoOf(entry.status()) == ENOENT ? Absent() : UnknownLook(entry.status());
    }
    Look look;
    look.presence = Look::Presence::kPresent;
    look.entry = *std::move(entry);
    return look;
  }

  absl::StatusOr<Listing> List(const RelPath& directory) override {
    FS_ASSIGN_OR_RETURN(UniqueFd fd,
                        OpenBeneath(root_.get(), directory.bytes(), O_RDONLY | O_DIRECTORY));
    return ReadDirectory(std::move(fd), directory, attributes_);
  }

  absl::StatusOr<std::unique_ptr<LocalFile>> Open(const RelPath& path) override {
    FS_ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(root_.get(), path.bytes(),
                                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(fd.get()));
    if (!S_ISREG(info.st_mode)) return InvalidArgument("not a regular file");
    return NewPosixFile(std::move(fd), root_.get(), path, &attributes_);
  }

  absl::StatusOr<std::unique_ptr<StagedFile>> Stage(const RelPath& path,
                                                    uint64_t size_hint) override {
    return StageNear(path, size_hint, /*sparse=*/false);
  }

  absl::StatusOr<std::unique_ptr<StagedFile>> StageSparse(const RelPath& path,
                                                          uint64_t data_bytes) override {
    return StageNear(path, data_bytes, /*sparse=*/true);
  }

  absl::Status SyncStaged(std::span<StagedFile* const> files) override {
    if (files.size() >= kSyncAllFrom) return workspaces_.SyncAll();
    for (StagedFile* file : files) {
      if (fsync(static_cast<PosixStagedFile*>(file)->fd()) != 0) {
        return ErrnoStatus(errno, "fsync");
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ApplyResult> InstallFile(StagedFile& staged, const RelPath& path,
                                          const std::optional<Fingerprint>& expected) override {
    auto& file = static_cast<PosixStagedFile&>(staged);
    FS_ASSIGN_OR_RETURN(const UniqueFd parent, OpenParent(path));
    FS_ASSIGN_OR_RETURN(const WorkspacePtr workspace, workspaces_.For(parent.get(), path.Parent()));
    if (workspace->where() != file.workspace().where()) {
      return FailedPrecondition("it was made for another file system");
    }
    const Placement& placement = workspace->placement();
    const PutsIntoTrash puts(this, expected.has_value());
    const std::string name(path.Name());
    FS_ASSIGN_OR_RETURN(ApplyResult result, ChangeWhatIsIn({parent.get()}, [&] {
                          return placement.Install(file.name(), file.fd(), parent.get(), name,
                                                   expected);
                        }));
    if (result.kind != ApplyKind::kApplied) return result;
    AddAttributes(file.fd(), result);
    file.Installed();
    return result;
  }

  absl::StatusOr<ApplyResult> InstallSymlink(const RelPath& path, const std::string& target,
                                             int64_t mtime_ns,
                                             const std::optional<Fingerprint>& expected) override {
    FS_ASSIGN_OR_RETURN(const UniqueFd parent, OpenParent(path));
    FS_ASSIGN_OR_RETURN(const WorkspacePtr workspace, workspaces_.For(parent.get(), path.Parent()));
    const Placement& placement = workspace->placement();
    const int tmp = workspace->tmp();
    const std::string name = HexEncode(RandomBytes(12));
    if (symlinkat(target.c_str(), tmp, name.c_str()) != 0) {
      return ErrnoStatus(errno, "symlink");
    }
    absl::StatusOr<ApplyResult> result = [&]() -> absl::StatusOr<ApplyResult> {
      FS_ASSIGN_OR_RETURN(const UniqueFd link, OpenBeneath(tmp, name, O_PATH | O_NOFOLLOW));
      FS_RETURN_IF_ERROR(SetModificationTime(link.get(), mtime_ns));
      const PutsIntoTrash puts(this, expected.has_value());
      const std::string to(path.Name());
      FS_ASSIGN_OR_RETURN(ApplyResult installed, ChangeWhatIsIn({parent.get()}, [&] {
                            return placement.Install(name, link.get(), parent.get(), to, expected);
                          }));
      if (installed.kind == ApplyKind::kApplied) AddAttributes(link.get(), installed);
      return installed;
    }();
    if (!result.ok() || result->kind != ApplyKind::kApplied) {
      unlinkat(tmp, name.c_str(), 0);
    }
    return result;
  }

  absl::StatusOr<ApplyResult> MakeDirectory(const RelPath& path, uint32_t mode) override {
    FS_ASSIGN_OR_RETURN(const UniqueFd parent, OpenParent(path));
    FS_RETURN_IF_ERROR(workspaces_.Use(parent.get(), path.Parent()));
    const std::string name(path.Name());
    FS_ASSIGN_OR_RETURN(const UniqueFd fd, ChangeWhatIsIn({parent.get()}, [&] {
                          return MakeOrOpen(parent.get(), name);
                        }));
    FS_ASSIGN_OR_RETURN(struct stat info, StatFd(fd.get()));
    if (!S_ISDIR(info.st_mode)) return SomethingElse();
    AttributeLoss loss;
    if ((info.st_mode & 0777) != (mode & 0777)) {
      FS_RETURN_IF_ERROR(SetModeIfAllowed(fd.get(), mode, loss));
      FS_ASSIGN_OR_RETURN(info, StatFd(fd.get()));
    }
    return Finished(fd.get(), info, std::move(loss));
  }

  absl::StatusOr<ApplyResult> SetMetadata(const RelPath& path, const Fingerprint& expected,
                                          uint32_t mode, int64_t mtime_ns) override {
    FS_ASSIGN_OR_RETURN(const UniqueFd fd,
                        OpenBeneath(root_.get(), path.bytes(), O_PATH | O_NOFOLLOW));
    const NoWriters no_writers(root_.get(), path, fd.get());
    FS_ASSIGN_OR_RETURN(const struct stat before, StatFd(fd.get()));
    if (!IsAsExpected(before, expected)) return SomethingElse();
    if (no_writers.Refused() && BeingSaved(expected)) return SomethingElse();
    AttributeLoss loss;
    if (!S_ISLNK(before.st_mode)) FS_RETURN_IF_ERROR(SetModeIfAllowed(fd.get(), mode, loss));
    FS_ASSIGN_OR_RETURN(const struct stat after, StatFd(fd.get()));
    if (S_ISDIR(before.st_mode)) return Finished(fd.get(), after, std::move(loss));
    // The time of a save that came meanwhile is not covered up.
    if (!ToFingerprint(after).SameButCtime(expected)) return SomethingElse();
    if (expected.mtime_ns != mtime_ns) {
      const absl::Status set = SetModificationTime(fd.get(), mtime_ns);
      if (!set.ok() && ErrnoOf(set) != EPERM) return set;
      if (!set.ok()) loss.mode = set;
    }
    FS_ASSIGN_OR_RETURN(const struct stat done, StatFd(fd.get()));
    ApplyResult result = Finished(fd.get(), done, std::move(loss));
    Fingerprint& fingerprint = result.fingerprint;
    if (fingerprint.size != expected.size) return SomethingElse();
    // Times that the file system can't hold come out otherwise; or it is a save's. Where that
    // can't be told, the next look shall see a difference.
    const absl::Duration off =
        absl::Nanoseconds(fingerprint.mtime_ns) - absl::Nanoseconds(mtime_ns);
    if (result.loss.mode.ok() && !no_writers.Held() && absl::AbsDuration(off) > kCoarsestTime) {
      fingerprint.mtime_ns = mtime_ns;
    }
    return result;
  }

  absl::StatusOr<ApplyResult> SetAttributes(const RelPath& path, const Fingerprint& expected,
                                            const Attributes& wanted) override {
    FS_ASSIGN_OR_RETURN(const UniqueFd fd,
                        OpenBeneath(root_.get(), path.bytes(), O_PATH | O_NOFOLLOW));
    FS_ASSIGN_OR_RETURN(const struct stat before, StatFd(fd.get()));
    if (!IsAsExpected(before, expected)) return SomethingElse();
    AttributeLoss loss = attributes_.Apply(fd.get(), before, wanted);
    FS_ASSIGN_OR_RETURN(const struct stat done, StatFd(fd.get()));
    // A save or a chmod that came meanwhile is left to be seen.
    if (!S_ISDIR(done.st_mode) && !ToFingerprint(done).SameButCtime(expected)) {
      return SomethingElse();
    }
    return Finished(fd.get(), done, std::move(loss));
  }

  absl::StatusOr<ApplyResult> Remove(const RelPath& path, const Fingerprint& expected) override {
    absl::StatusOr<UniqueFd> parent = OpenParent(path);
    if (!parent.ok()) {
      if (ProvesAbsence(parent.status())) return NothingThere();
      return parent.status();
    }
    FS_ASSIGN_OR_RETURN(const WorkspacePtr workspace,
                        workspaces_.For(parent->get(), path.Parent()));
    const PutsIntoTrash puts(this, /*counts=*/true);
    return ChangeWhatIsIn({parent->get()}, [&] {
      return workspace->placement().Remove(parent->get(), std::string(path.Name()), expected);
    });
  }

  absl::StatusOr<ApplyResult> Move(const RelPath& from, const Fingerprint& expected,
                                   const RelPath& to) override {
    FS_ASSIGN_OR_RETURN(const UniqueFd from_parent, OpenParent(from));
    FS_ASSIGN_OR_RETURN(const UniqueFd to_parent, OpenParent(to));
    FS_ASSIGN_OR_RETURN(const WorkspacePtr workspace,
                        workspaces_.For(to_parent.get(), to.Parent()));
    const PutsIntoTrash puts(this, /*counts=*/false);
    // A directory that gets another parent is written to.
    const absl::StatusOr<UniqueFd> moved =
        OpenBeneath(root_.get(), from.bytes(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    const int directory = moved.ok() ? moved->get() : -1;
    return ChangeWhatIsIn({from_parent.get(), to_parent.get(), directory}, [&] {
      return workspace->placement().Move(from_parent.get(), std::string(from.Name()), expected,
                                         to_parent.get(), std::string(to.Name()));
    });
  }

  absl::StatusOr<ApplyResult> MoveOver(const RelPath& from, const Fingerprint& expected,
                                       const RelPath& to, const Fingerprint& replaced) override {
    FS_ASSIGN_OR_RETURN(const UniqueFd from_parent, OpenParent(from));
    FS_ASSIGN_OR_RETURN(const UniqueFd to_parent, OpenParent(to));
    FS_ASSIGN_OR_RETURN(const WorkspacePtr workspace,
                        workspaces_.For(to_parent.get(), to.Parent()));
    const PutsIntoTrash puts(this, /*counts=*/true);
    return ChangeWhatIsIn({from_parent.get(), to_parent.get()}, [&] {
      return workspace->placement().MoveOver(from_parent.get(), std::string(from.Name()), expected,
                                             to_parent.get(), std::string(to.Name()), replaced);
    });
  }

  absl::Status SyncDirectories(std::span<const RelPath> directories) override {
    const std::set<RelPath> distinct(directories.begin(), directories.end());
    if (distinct.size() >= kSyncAllFrom) return workspaces_.SyncAll();
    for (const RelPath& directory : distinct) {
      const absl::StatusOr<UniqueFd> fd =
          OpenBeneath(root_.get(), directory.bytes(), O_RDONLY | O_DIRECTORY);
      if (!fd.ok()) {
        // It was removed meanwhile, or may only be searched: then all of it is synced.
        if (ErrnoOf(fd.status()) == ENOENT) continue;
        return workspaces_.SyncAll();
      }
      if (fsync(fd->get()) != 0) return ErrnoStatus(errno, "fsync of a directory");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Watcher>> NewWatcher() override {
    return NewInotifyWatcher(root_.get());
  }

  absl::Status CleanUp() override { return workspaces_.CleanUp(); }

  absl::StatusOr<TrashRemoved> LimitTrash(const TrashLimits& limits) override {
    const std::vector<WorkspacePtr> workspaces = workspaces_.All();
    FS_ASSIGN_OR_RETURN(std::vector<TrashedFile> files, ListTrash(workspaces));
    TrashRemoved removed;
    for (const TrashedFile& file : BeyondLimits(std::move(files), limits, clock_->Now())) {
      // Not while something is put there: it may go back where it came from.
      absl::MutexLock lock(&trash_mutex_);
      if (unlinkat(workspaces[file.place]->trash(), file.name.c_str(), 0) != 0) continue;
      ++removed.files;
      removed.bytes += file.bytes;
    }
    return removed;
  }

  uint64_t TrashPuts() const override { return trash_puts_; }

 private:
  // Keeps the trash from being thinned while something passes through it. Taken after a workspace:
  // who thins the trash of a mounted file system keeps workspaces of it waiting.
  class PutsIntoTrash {
   public:
    PutsIntoTrash(PosixDirectory* directory, bool counts) : lock_(&directory->trash_mutex_) {
      if (counts) ++directory->trash_puts_;
    }

   private:
    const absl::ReaderMutexLock lock_;
  };

  static absl::StatusOr<UniqueFd> MakeOrOpen(int parent, const std::string& name) {
    if (mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "mkdir");
    }
    return OpenBeneath(parent, name, O_PATH | O_NOFOLLOW);
  }

  // Where a file system has no such bits, or the file is another user's, the mode stays what it is.
  static absl::Status SetModeIfAllowed(int fd, uint32_t mode, AttributeLoss& loss) {
    absl::Status set = SetMode(fd, mode);
    if (ErrnoOf(set) != EPERM) return set;
    loss.mode = std::move(set);
    return absl::OkStatus();
  }

  // Tells the attributes of what was applied, if nothing changed since its stat.
  void AddAttributes(int fd, ApplyResult& result) {
    if (!attributes_.preserve().any()) return;
    const absl::StatusOr<struct stat> before = StatFd(fd);
    if (!before.ok() || ToFingerprint(*before) != result.fingerprint) return;
    Attributes attributes = attributes_.LookFd(fd, *before);
    const absl::StatusOr<struct stat> after = StatFd(fd);
    if (after.ok() && ToFingerprint(*after) == result.fingerprint) {
      result.now.attributes = std::move(attributes);
    }
  }

  ApplyResult Finished(int fd, const struct stat& info, AttributeLoss loss) {
    ApplyResult result = Applied(info);
    result.loss = std::move(loss);
    AddAttributes(fd, result);
    return result;
  }

  absl::StatusOr<UniqueFd> OpenParent(const RelPath& path) {
    return OpenBeneath(root_.get(), path.Parent().bytes(), O_PATH | O_DIRECTORY);
  }

  bool BeingSaved(const Fingerprint& file) const {
    return absl::AbsDuration(clock_->Now() - absl::FromUnixNanos(file.ctime_ns)) < kWriterQuiet;
  }

  absl::StatusOr<std::unique_ptr<StagedFile>> StageNear(const RelPath& path, uint64_t size_hint,
                                                        bool sparse) {
    FS_ASSIGN_OR_RETURN(WorkspacePtr workspace, workspaces_.Near(path));
    FS_ASSIGN_OR_RETURN(
        std::unique_ptr<PosixStagedFile> staged,
        PosixStagedFile::Create(std::move(workspace), size_hint, sparse, &attributes_));
    return std::unique_ptr<StagedFile>(std::move(staged));
  }

  const std::string path_;
  const Clock* const clock_;
  const UniqueFd root_;
  const UniqueFd state_;
  const UniqueFd lock_;
  Workspaces workspaces_;
  const RootIdentity identity_;
  PosixAttributes attributes_;
  // Shared by who puts into the trash, alone by who removes from it.
  absl::Mutex trash_mutex_;
  std::atomic<uint64_t> trash_puts_ = 0;
  const bool fine_grained_;
};

absl::StatusOr<UniqueFd> MakeStateDirectory(int parent, const std::string& name) {
  if (mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, fmt::format("cannot make {}", name));
  }
  return OpenBeneath(parent, name, O_RDONLY | O_DIRECTORY);
}

// A writer that opens a file during the short lease by which writers are found would signal.
void IgnoreLeaseSignals() {
  struct sigaction action {};
  if (sigaction(SIGIO, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
    signal(SIGIO, SIG_IGN);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalDirectory>> LocalDirectory::Open(const std::string& path,
                                                                     const Clock* clock,
                                                                     Preserve preserve,
                                                                     bool shared) {
  FS_ASSIGN_OR_RETURN(LocalRoot root, OpenLocalRoot(path));
  if (!shared) FS_RETURN_IF_ERROR(CheckRootOfRoot(root.fd.get(), root.path));
  IgnoreLeaseSignals();
  absl::StatusOr<UniqueFd> state =
      MakeStateDirectory(root.fd.get(), std::string(kStateDirectoryName));
  if (!state.ok()) return Annotate(state.status(), root.path);
  FS_RETURN_IF_ERROR(CheckStateDirectory(state->get(), root.path, shared));
  UniqueFd lock(openat(state->get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.ok()) return ErrnoStatus(errno, fmt::format("{}: cannot make the lock", root.path));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return FailedPrecondition("another agent syncs {} already", root.path);
  }
  FS_ASSIGN_OR_RETURN(UniqueFd tmp, MakeStateDirectory(state->get(), kTmp));
  FS_ASSIGN_OR_RETURN(UniqueFd trash, MakeStateDirectory(state->get(), kTrash));
  FS_ASSIGN_OR_RETURN(RootIdentity identity,
                      ReadRootIdentity(root.fd.get(), state->get(), /*make=*/true));
  const bool folds = FoldsCase(root.fd.get()) || FoldsUnicode(tmp.get());
  UniqueFd names;
  if (folds) {
    FS_ASSIGN_OR_RETURN(names, OpenBeneath(root.fd.get(), ".", O_RDONLY));
  }
  std::unique_ptr<LocalDirectory> directory = std::make_unique<PosixDirectory>(
      std::move(root.path), clock, std::move(root.fd), *std::move(state), std::move(tmp),
      std::move(trash), std::move(lock), std::move(identity), preserve, shared);
  return folds ? WithExactNames(std::move(directory), std::move(names)) : std::move(directory);
}

absl::StatusOr<std::unique_ptr<LocalDirectory>> LocalDirectory::OpenToLook(const std::string& path,
                                                                           const Clock* clock,
                                                                           Preserve preserve,
                                                                           bool shared) {
  FS_ASSIGN_OR_RETURN(LocalRoot root, OpenLocalRoot(path));
  if (!shared) FS_RETURN_IF_ERROR(CheckRootOfRoot(root.fd.get(), root.path));
  IgnoreLeaseSignals();
  absl::StatusOr<UniqueFd> state =
      OpenBeneath(root.fd.get(), kStateDirectoryName, O_RDONLY | O_DIRECTORY);
  if (!state.ok()) {
    if (ErrnoOf(state.status()) != ENOENT) return Annotate(state.status(), root.path);
    state = UniqueFd();
  } else {
    FS_RETURN_IF_ERROR(CheckStateDirectory(state->get(), root.path, shared));
  }
  FS_ASSIGN_OR_RETURN(RootIdentity identity,
                      ReadRootIdentity(root.fd.get(), state->get(), /*make=*/false));
  const bool folds = FoldsCase(root.fd.get());
  UniqueFd names;
  if (folds) {
    FS_ASSIGN_OR_RETURN(names, OpenBeneath(root.fd.get(), ".", O_RDONLY));
  }
  std::unique_ptr<LocalDirectory> directory = std::make_unique<PosixDirectory>(
      std::move(root.path), clock, std::move(root.fd), *std::move(state), UniqueFd(), UniqueFd(),
      UniqueFd(), std::move(identity), preserve, shared);
  return folds ? WithExactNames(std::move(directory), std::move(names)) : std::move(directory);
}

}  // namespace filesync
