#include "libs/location/directory_reader.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/posix_stat.h"
#include "libs/location/workspaces.h"

namespace filesync {
namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { closedir(stream); }
};

constexpr char kForeignMarker[] = ".syncagent/root-id";

}  // namespace

bool IsSyncedItself(int directory) {
  const absl::StatusOr<UniqueFd> marker =
      OpenBeneath(directory, kForeignMarker, O_PATH | O_NOFOLLOW);
  if (marker.ok()) return true;
  const int error = ErrnoOf(marker.status());
  return error != ENOENT && error != ENOTDIR && error != ELOOP;
}

absl::StatusOr<Listing> ReadDirectory(UniqueFd fd, const RelPath& directory,
                                      PosixAttributes& attributes) {
  std::unique_ptr<DIR, CloseDirectory> stream(fdopendir(fd.get()));
  if (stream == nullptr) return ErrnoStatus(errno, "cannot list");
  (void)fd.Release();  // the stream's now
  const int handle = dirfd(stream.get());
  Listing listing;
  while (true) {
    errno = 0;
    const dirent* item = readdir(stream.get());
    if (item == nullptr) {
      if (errno != 0) return ErrnoStatus(errno, "cannot list");
      break;
    }
    const std::string name = item->d_name;
    if (name == "." || name == "..") continue;
    if (name == kStateDirectoryName) {
      if (directory.IsRoot()) continue;
      if (IsSyncedItself(handle)) {
        return FailedPrecondition("it is a synced directory itself; sync one of them only");
      }
      // Of this agent, or of another one for the same mount.
      if (HoldsWorkspace(handle)) continue;
    }
    absl::StatusOr<RelPath> path = directory.Child(name);
    if (!path.ok()) {
      listing.skipped.push_back(name);
      continue;
    }
    absl::StatusOr<LocalEntry> entry = EntryAt(handle, name, *path, attributes);
    if (entry.ok()) {
      listing.entries.push_back(*std::move(entry));
    } else if (ErrnoOf(entry.status()) != ENOENT) {
      return Annotate(entry.status(), EscapeForPeople(name));
    }
  }
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const LocalEntry& a, const LocalEntry& b) { return a.path < b.path; });
  return listing;
}

}  // namespace filesync
