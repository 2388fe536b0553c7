#include "libs/location/file_times.h"

#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cstdio>
#include <memory>

#include "libs/location/posix_file.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

// Multigrain timestamps: a change after a stat always gets a later time.
bool KernelHasFineGrainedTimes(int root) {
  utsname name{};
  int major = 0;
  int minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  if (major < 6 || (major == 6 && minor < 13)) return false;
  struct statfs info {};
  if (fstatfs(root, &info) != 0) return false;
  constexpr unsigned long kExt4 = 0xef53, kXfs = 0x58465342, kBtrfs = 0x9123683e,
                          kTmpfs = 0x01021994;
  const auto type = static_cast<unsigned long>(info.f_type);
  return type == kExt4 || type == kXfs || type == kBtrfs || type == kTmpfs;
}

// File systems of that kind may still keep whole seconds (small inodes, old drivers), so it is
// tried as well.
bool EachWriteHasItsTime(const WorkspacePtr& workspace) {
  constexpr int kTries = 8;
  const absl::StatusOr<std::unique_ptr<PosixStagedFile>> file =
      PosixStagedFile::Create(workspace, 0);
  if (!file.ok()) return false;
  int64_t last = 0;
  for (int i = 0; i < kTries; ++i) {
    if (!(*file)->Append("x").ok()) return false;
    const absl::StatusOr<struct stat> info = StatFd((*file)->fd());
    if (!info.ok() || ToFingerprint(*info).mtime_ns <= last) return false;
    last = ToFingerprint(*info).mtime_ns;
  }
  return true;
}

}  // namespace

bool TellsWritesApart(int root, const WorkspacePtr& workspace) {
  return KernelHasFineGrainedTimes(root) && EachWriteHasItsTime(workspace);
}

}  // namespace filesync
