#include "libs/location/workspaces.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
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

absl::StatusOr<WorkspacePtr> Workspaces::For(int directory, const RelPath& path) {
  FS_ASSIGN_OR_RETURN(const MountedDevice where, WhereIs(directory));
  if (where == own_->where()) return own_;
  RelPath top = path;
  while (!top.IsRoot()) {
    FS_ASSIGN_OR_RETURN(const UniqueFd above,
                        OpenBeneath(root_, top.Parent().bytes(), O_PATH | O_DIRECTORY));
    FS_ASSIGN_OR_RETURN(const MountedDevice there, WhereIs(above.get()));
    if (there != where) break;
    top = top.Parent();
  }
  // Something was mounted over the root itself.
  if (top.IsRoot()) return own_;
  return OpenAt(top, where, /*make=*/true);
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
  absl::StatusOr<UniqueFd> state =
      OpenOrMake(directory.get(), std::string(kStateDirectoryName), make);
  if (!state.ok()) {
    const int error = ErrnoOf(state.status());
    if (error != ELOOP && error != ENOTDIR) return Annotate(state.status(), name);
    return PermissionDenied("{}/{} is no directory, and no agent has made it: remove it", name,
                            kStateDirectoryName);
  }
  FS_RETURN_IF_ERROR(CheckStateDirectory(state->get(), name, options_.shared));
  if (!HoldsWorkspace(directory.get())) {
    if (!make) return NotFound("{} has no workspace", name);
    // First noted, so that it is found whatever happens.
    FS_RETURN_IF_ERROR(Note(top));
    FS_RETURN_IF_ERROR(ReplaceFile(state->get(), kMark, kMarkText));
  } else if (make) {
    FS_RETURN_IF_ERROR(Note(top));
  }
  FS_ASSIGN_OR_RETURN(UniqueFd tmp, OpenOrMake(state->get(), kTmpDirectory, make));
  FS_ASSIGN_OR_RETURN(UniqueFd trash, OpenOrMake(state->get(), kTrashDirectory, make));
  return std::make_shared<const Workspace>(clock_, where, std::move(tmp), std::move(trash));
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
  for (const RelPath& top : Noted()) {
    const absl::StatusOr<UniqueFd> directory =
        OpenBeneath(root_, top.bytes(), O_RDONLY | O_DIRECTORY);
    // What is not mounted any more was synced when it was unmounted.
    if (!directory.ok()) continue;
    if (syncfs(directory->get()) != 0) return ErrnoStatus(errno, "syncfs");
  }
  return absl::OkStatus();
}

absl::Status Workspaces::CleanUp() {
  for (const WorkspacePtr& workspace : All()) FS_RETURN_IF_ERROR(RemoveFilesIn(workspace->tmp()));
  return absl::OkStatus();
}

std::set<RelPath> Workspaces::Noted() {
  absl::MutexLock lock(&mutex_);
  return noted_;
}

absl::Status Workspaces::Note(const RelPath& top) {
  absl::MutexLock lock(&mutex_);
  if (noted_.contains(top)) return absl::OkStatus();
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

absl::StatusOr<std::vector<TrashedFile>> ListTrash(const std::vector<WorkspacePtr>& workspaces) {
  std::vector<TrashedFile> files;
  for (size_t place = 0; place < workspaces.size(); ++place) {
    const int trash = workspaces[place]->trash();
    FS_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListNames(fmt::format("/proc/self/fd/{}", trash)));
    for (const std::string& name : names) {
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
  return OpenBeneath(directory, fmt::format("{}/{}", kStateDirectoryName, kMark),
                     O_PATH | O_NOFOLLOW)
      .ok();
}

}  // namespace filesync
