#include "libs/location/workspaces.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/directory_reader.h"
#include "libs/location/exact_names.h"
#include "libs/location/local_root.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr uint64_t kStatBlock = 512;  // what stat counts blocks in
constexpr char kTmpDirectory[] = "tmp";
constexpr char kTrashDirectory[] = "trash";
// In the root's state directory: the top directories, one in a line, in hex.
constexpr char kWorkspacesNote[] = "workspaces";
constexpr size_t kMostNoteBytes = 1 << 20;
constexpr size_t kMostNoted = 100;
// In a workspace's.
constexpr char kMark[] = "workspace";
constexpr char kMarkText[] =
    "syncagent makes files here before they get their names, and keeps what it replaced and "
    "deleted, for the synced directory in which this file system is mounted.\n";

absl::StatusOr<MountedDevice> WhereIs(int fd) {
  struct statx info {};
  if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID, &info) != 0) {
    return ErrnoStatus(errno, "statx");
  }
  MountedDevice where;
  if ((info.stx_mask & STATX_MNT_ID) != 0) where.mount = info.stx_mnt_id;
  where.device = (uint64_t{info.stx_dev_major} << 32) | info.stx_dev_minor;
  return where;
}

absl::StatusOr<UniqueFd> OpenOrMake(int parent, const std::string& name, bool make) {
  if (make && mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, fmt::format("cannot make {}", name));
  }
  return OpenBeneath(parent, name, O_RDONLY | O_DIRECTORY);
}

absl::Status RemoveFilesIn(int directory) {
  FS_ASSIGN_OR_RETURN(const std::vector<std::string> leftovers,
                      ListNames(fmt::format("/proc/self/fd/{}", directory)));
  for (const std::string& name : leftovers) {
    // A directory is not from here.
    if (unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT && errno != EISDIR) {
      return ErrnoStatus(errno, "cannot remove a temporary file");
    }
  }
  return absl::OkStatus();
}

std::set<RelPath> ReadNote(int state) {
  std::set<RelPath> noted;
  const absl::StatusOr<std::string> note = ReadFileAt(state, kWorkspacesNote, kMostNoteBytes);
  if (!note.ok()) return noted;
  std::string_view rest = *note;
  while (!rest.empty() && noted.size() < kMostNoted) {
    const size_t end = rest.find('\n');
    const std::optional<std::string> bytes = HexDecode(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!bytes.has_value()) continue;
    absl::StatusOr<RelPath> path = RelPath::Parse(*bytes);
    if (path.ok() && !path->IsRoot()) noted.insert(*std::move(path));
  }
  return noted;
}

}  // namespace

Workspaces::Workspaces(const Clock* clock, int root, int state, UniqueFd tmp, UniqueFd trash,
                       WorkspacesOptions options)
    : clock_(clock), root_(root), state_(state), options_(std::move(options)) {
  own_ = std::make_shared<const Workspace>(clock, WhereIs(root).value_or(MountedDevice()),
                                           std::move(tmp), std::move(trash));
  absl::MutexLock lock(&mutex_);
  if (state >= 0) noted_ = ReadNote(state);
}

absl::StatusOr<Workspaces::Top> Workspaces::FindTop(int directory, const RelPath& path) {
  Top top;
  FS_ASSIGN_OR_RETURN(top.where, WhereIs(directory));
  if (top.where == own_->where()) return top;
  top.path = path;
  while (!top.path.IsRoot()) {
    FS_ASSIGN_OR_RETURN(const UniqueFd above,
                        OpenBeneath(root_, top.path.Parent().bytes(), O_PATH | O_DIRECTORY));
    FS_ASSIGN_OR_RETURN(const MountedDevice there, WhereIs(above.get()));
    if (there != top.where) break;
    top.path = top.path.Parent();
  }
  return top;
}

absl::StatusOr<WorkspacePtr> Workspaces::For(int directory, const RelPath& path) {
  FS_ASSIGN_OR_RETURN(const Top top, FindTop(directory, path));
  if (top.path.IsRoot()) return own_;
  return OpenAt(top.path, top.where, /*make=*/true);
}

absl::Status Workspaces::Use(int directory, const RelPath& path) {
  FS_ASSIGN_OR_RETURN(const Top top, FindTop(directory, path));
  if (top.path.IsRoot()) return absl::OkStatus();
  {
    absl::MutexLock lock(&mutex_);
    used_.insert(top.path);
    const auto known = exact_.find(top.path);
    if (known != exact_.end() && known->second == top.where) return absl::OkStatus();
  }
  // Its names are tried in the workspace; where none can be made, nothing else can either.
  return OpenAt(top.path, top.where, /*make=*/true).status();
}

absl::Status Workspaces::CheckNames(const RelPath& top, const MountedDevice& where, int scratch) {
  {
    absl::MutexLock lock(&mutex_);
    const auto known = exact_.find(top);
    if (known != exact_.end() && known->second == where) return absl::OkStatus();
  }
  if (FoldsNames(scratch)) {
    return FailedPrecondition(
        "{}/{} is on a file system that takes names for one that differ in case or in Unicode "
        "form; "
        "sync it as a directory of its own",
        options_.path, top.ForPeople());
  }
  absl::MutexLock lock(&mutex_);
  exact_[top] = where;
  return absl::OkStatus();
}

absl::StatusOr<WorkspacePtr> Workspaces::Near(const RelPath& path) {
  RelPath directory = path;
  while (!directory.IsRoot()) {
    directory = directory.Parent();
    const absl::StatusOr<UniqueFd> fd = OpenBeneath(root_, directory.bytes(), O_PATH | O_DIRECTORY);
    if (fd.ok()) return For(fd->get(), directory);
    // It may be there, as something else, until it is installed.
    const int error = ErrnoOf(fd.status());
    if (error != ENOENT && error != ENOTDIR && error != ELOOP) return fd.status();
  }
  return own_;
}

absl::StatusOr<WorkspacePtr> Workspaces::OpenAt(const RelPath& top, const MountedDevice& where,
                                                bool make) {
  const std::string name = fmt::format("{}/{}", options_.path, top.ForPeople());
  FS_ASSIGN_OR_RETURN(const UniqueFd directory,
                      OpenBeneath(root_, top.bytes(), O_RDONLY | O_DIRECTORY));
  FS_ASSIGN_OR_RETURN(const MountedDevice there, WhereIs(directory.get()));
  if (there != where) return Aborted("{} was mounted or unmounted meanwhile", name);
  if (IsSyncedItself(directory.get())) {
    return FailedPrecondition("{} is a synced directory itself; sync one of them only", name);
  }
  absl::StatusOr<UniqueFd> state =
      OpenOrMake(directory.get(), std::string(kStateDirectoryName), make);
  if (!state.ok()) {
    const int error = ErrnoOf(state.status());
    if (error != ELOOP && error != ENOTDIR) return Annotate(state.status(), name);
    return PermissionDenied("{}/{} is no directory, and no agent has made it: remove it", name,
                            kStateDirectoryName);
  }
  FS_RETURN_IF_ERROR(CheckStateDirectory(state->get(), name, options_.shared));
  // First noted, so that it is found whatever happens.
  if (make) FS_RETURN_IF_ERROR(Note(top));
  absl::StatusOr<UniqueFd> mark = OpenBeneath(state->get(), kMark, O_RDONLY | O_NOFOLLOW);
  if (!mark.ok()) {
    if (!make) return NotFound("{} has no workspace", name);
    FS_RETURN_IF_ERROR(ReplaceFile(state->get(), kMark, kMarkText));
    mark = OpenBeneath(state->get(), kMark, O_RDONLY | O_NOFOLLOW);
    FS_RETURN_IF_ERROR(mark.status());
  }
  // Whoever cleans up has it alone for a moment.
  if (flock(mark->get(), make ? LOCK_SH : LOCK_EX | LOCK_NB) != 0) {
    return ErrnoStatus(errno, fmt::format("{}: another agent works there", name));
  }
  FS_ASSIGN_OR_RETURN(UniqueFd tmp, OpenOrMake(state->get(), kTmpDirectory, make));
  if (make) FS_RETURN_IF_ERROR(CheckNames(top, where, tmp.get()));
  FS_ASSIGN_OR_RETURN(UniqueFd trash, OpenOrMake(state->get(), kTrashDirectory, make));
  return std::make_shared<const Workspace>(clock_, where, std::move(tmp), std::move(trash),
                                           *std::move(mark));
}

absl::StatusOr<WorkspacePtr> Workspaces::OpenNoted(const RelPath& top) {
  const absl::StatusOr<UniqueFd> directory = OpenBeneath(root_, top.bytes(), O_PATH | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  FS_ASSIGN_OR_RETURN(const MountedDevice where, WhereIs(directory->get()));
  if (where == own_->where()) return NotFound("nothing is mounted there");
  return OpenAt(top, where, /*make=*/false);
}

std::vector<WorkspacePtr> Workspaces::All() {
  std::vector<WorkspacePtr> all = {own_};
  for (const RelPath& top : Noted()) {
    absl::StatusOr<WorkspacePtr> workspace = OpenNoted(top);
    if (workspace.ok()) all.push_back(*std::move(workspace));
  }
  return all;
}

absl::Status Workspaces::SyncAll() {
  if (syncfs(root_) != 0) return ErrnoStatus(errno, "syncfs");
  std::set<RelPath> used;
  {
    absl::MutexLock lock(&mutex_);
    used = used_;
  }
  for (const RelPath& top : used) {
    const absl::StatusOr<UniqueFd> directory =
        OpenBeneath(root_, top.bytes(), O_RDONLY | O_DIRECTORY);
    if (!directory.ok()) {
      // What is not mounted any more was synced when it was unmounted.
      const int error = ErrnoOf(directory.status());
      if (error == ENOENT || error == ENOTDIR) continue;
      return directory.status();
    }
    if (syncfs(directory->get()) != 0) return ErrnoStatus(errno, "syncfs");
  }
  return absl::OkStatus();
}

absl::Status Workspaces::CleanUp() {
  for (const WorkspacePtr& workspace : All()) {
    const absl::Status removed = RemoveFilesIn(workspace->tmp());
    // A mounted file system that can't be written to keeps nobody from the rest.
    if (workspace == own_) FS_RETURN_IF_ERROR(removed);
  }
  return absl::OkStatus();
}

std::set<RelPath> Workspaces::Noted() {
  absl::MutexLock lock(&mutex_);
  return noted_;
}

absl::Status Workspaces::Note(const RelPath& top) {
  absl::MutexLock lock(&mutex_);
  used_.insert(top);
  if (noted_.contains(top)) return absl::OkStatus();
  if (noted_.size() >= kMostNoted) ForgetUnmounted();
  if (noted_.size() >= kMostNoted) {
    return ResourceExhausted("more than {} file systems are mounted in the directory", kMostNoted);
  }
  noted_.insert(top);
  std::string note;
  for (const RelPath& path : noted_) note += HexEncode(path.bytes()) + "\n";
  absl::Status written = ReplaceFile(state_, kWorkspacesNote, note);
  if (!written.ok()) noted_.erase(top);
  return written;
}

// Those whose place holds no mounted file system now.
void Workspaces::ForgetUnmounted() {
  std::erase_if(noted_, [this](const RelPath& top) {
    const absl::StatusOr<UniqueFd> directory =
        OpenBeneath(root_, top.bytes(), O_PATH | O_DIRECTORY);
    if (!directory.ok()) return true;
    const absl::StatusOr<MountedDevice> where = WhereIs(directory->get());
    return where.ok() && *where == own_->where();
  });
}

absl::StatusOr<std::vector<TrashedFile>> ListTrash(const std::vector<WorkspacePtr>& workspaces) {
  std::vector<TrashedFile> files;
  for (size_t place = 0; place < workspaces.size(); ++place) {
    const int trash = workspaces[place]->trash();
    const absl::StatusOr<std::vector<std::string>> names =
        ListNames(fmt::format("/proc/self/fd/{}", trash));
    if (!names.ok()) {
      // A mounted file system that can't be read keeps nobody from the rest.
      if (place == 0) return names.status();
      continue;
    }
    for (const std::string& name : *names) {
      const std::optional<int64_t> put_at = TrashedAt(name);
      const absl::StatusOr<struct stat> info = StatAt(trash, name);
      // A directory is not from here.
      if (!put_at.has_value() || !info.ok() || S_ISDIR(info->st_mode)) continue;
      files.push_back({name, *put_at, ToFingerprint(*info).ctime_ns,
                       static_cast<uint64_t>(info->st_blocks) * kStatBlock, place});
    }
  }
  return files;
}

bool HoldsWorkspace(int directory) {
  const absl::StatusOr<UniqueFd> mark =
      OpenBeneath(directory, fmt::format("{}/{}", kStateDirectoryName, kMark), O_PATH | O_NOFOLLOW);
  if (!mark.ok()) return false;
  const UniqueFd above(openat(directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!above.ok()) return false;
  const absl::StatusOr<MountedDevice> here = WhereIs(directory);
  const absl::StatusOr<MountedDevice> there = WhereIs(above.get());
  return here.ok() && there.ok() && *here != *there;
}

}  // namespace filesync
