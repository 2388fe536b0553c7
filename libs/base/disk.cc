#include "libs/base/disk.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "libs/base/status.h"

namespace filesync {

absl::StatusOr<DiskSpace> SpaceOf(int fd) {
  struct statvfs info {};
  if (fstatvfs(fd, &info) != 0) return ErrnoStatus(errno, "statvfs");
  DiskSpace space;
  space.bytes = static_cast<uint64_t>(info.f_blocks) * info.f_frsize;
  space.free_bytes = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  space.has_inodes = info.f_files > 0;
  space.free_inodes = info.f_favail;
  return space;
}

}  // namespace filesync
