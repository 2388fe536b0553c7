#include "libs/location/local_root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/file_systems.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr char kMarker[] = "root-id";
constexpr size_t kMarkerLimit = 4096;

absl::Status CheckNotInsideAnother(const std::string& path) {
  std::string above = path;
  while (above.size() > 1) {
    above.resize(std::max<size_t>(above.rfind('/'), 1));
    if (PathExists(fmt::format("{}/{}/{}", above, kStateDirectoryName, kMarker))) {
      return InvalidArgument(
          "{} lies inside {}, which is a synced directory itself; sync one of "
          "them only",
          path, above);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LocalRoot> OpenLocalRoot(const std::string& path) {
  absl::StatusOr<std::string> canonical = CanonicalPath(path);
  if (!canonical.ok()) {
    return absl::IsNotFound(canonical.status())
               ? InvalidArgument("{} does not exist; make the directory first", path)
               : canonical.status();
  }
  FS_ASSIGN_OR_RETURN(UniqueFd root, OpenDirectory(*canonical));
  FS_RETURN_IF_ERROR(CheckNotInsideAnother(*canonical));
  return LocalRoot{*std::move(canonical), std::move(root)};
}

absl::Status CheckStateDirectory(int state, const std::string& root, bool shared) {
  const std::string path = fmt::format("{}/{}", root, kStateDirectoryName);
  const auto belongs_here = [&](const struct stat& info, const std::string& what) -> absl::Status {
    if (shared || info.st_uid == geteuid()) return absl::OkStatus();
    return PermissionDenied(
        "{} belongs to user {}, and this runs as user {}: run it as that user, or remove {} to "
        "begin "
        "anew",
        what, info.st_uid, geteuid(), path);
  };
  FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(state));
  FS_RETURN_IF_ERROR(belongs_here(info, path));
  if (!shared && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return PermissionDenied("{} can be written to by other users: chmod 700 {}", path, path);
  }
  FS_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                      ListNames(fmt::format("/proc/self/fd/{}", state)));
  for (const std::string& name : names) {
    struct stat entry {};
    if (fstatat(state, name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return ErrnoStatus(errno, path);
    }
    const std::string what = fmt::format("{}/{}", path, EscapeForPeople(name));
    if (S_ISLNK(entry.st_mode)) {
      return PermissionDenied("{} is a symbolic link, which no agent has made: remove it", what);
    }
    FS_RETURN_IF_ERROR(belongs_here(entry, what));
  }
  return absl::OkStatus();
}

absl::Status CheckRootOfRoot(int root, const std::string& path) {
  if (geteuid() != 0) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(root));
  const bool others = info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (!others) return absl::OkStatus();
  return PermissionDenied(
      "{} can be written to by other users than root, for whom an agent that runs as root would "
      "write and delete: run it as the directory's owner, or add --allow-shared-root",
      path);
}

absl::StatusOr<RootIdentity> ReadRootIdentity(int root, int state, bool make) {
  RootIdentity identity;
  FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(root));
  identity.device = info.st_dev;
  identity.inode = info.st_ino;
  FS_ASSIGN_OR_RETURN(identity.handle, FileHandle(root));
  absl::StatusOr<std::string> marker = ReadFileAt(state, kMarker, kMarkerLimit);
  if (marker.ok()) {
    const auto id = HexDecode(std::string_view(*marker).substr(0, marker->find('\n')));
    if (id.has_value() && id->size() == 16) {
      identity.root_id = *id;
      return identity;
    }
  } else if (state >= 0 && ErrnoOf(marker.status()) != ENOENT) {
    return Annotate(marker.status(), "cannot read the marker");
  }
  identity.root_id = RandomBytes(16);
  identity.created = true;
  if (make) FS_RETURN_IF_ERROR(ReplaceFile(state, kMarker, HexEncode(identity.root_id) + "\n"));
  return identity;
}

absl::Status CheckLocalRoot(const std::string& path, const RootIdentity& identity, bool marked) {
  const absl::StatusOr<UniqueFd> there = OpenDirectory(path);
  if (!there.ok()) {
    return FailedPrecondition("the directory {} is gone or can't be opened ({})", path,
                              ToStd(there.status().message()));
  }
  FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(there->get()));
  if (info.st_dev != identity.device || info.st_ino != identity.inode) {
    return FailedPrecondition(
        "{} is another directory than the one that was synced (moved away, or a mount is gone)",
        path);
  }
  if (!marked) return absl::OkStatus();
  absl::StatusOr<UniqueFd> state =
      OpenBeneath(there->get(), kStateDirectoryName, O_RDONLY | O_DIRECTORY);
  absl::StatusOr<std::string> marker =
      state.ok() ? ReadFileAt(state->get(), kMarker, kMarkerLimit) : state.status();
  if (!marker.ok()) {
    return FailedPrecondition("the marker {}/{}/{} is gone, so this may not be the synced tree",
                              path, kStateDirectoryName, kMarker);
  }
  if (*marker != HexEncode(identity.root_id) + "\n") {
    return FailedPrecondition("the marker {}/{}/{} is another tree's", path, kStateDirectoryName,
                              kMarker);
  }
  return absl::OkStatus();
}

}  // namespace filesync
