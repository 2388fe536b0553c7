#include "libs/location/file_systems.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/content/hasher.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

// No device has it set.
constexpr uint64_t kMade = uint64_t{1} << 63;

// 0: it can't be told.
uint64_t NameOf(const std::string& mount_point, uint64_t device) {
  const absl::StatusOr<UniqueFd> fd = OpenDirectory(mount_point);
  if (!fd.ok()) return 0;
  struct statfs figures {};
  const absl::StatusOr<struct stat> info = StatFd(fd->get());
  // Something else may be mounted over it.
  if (fstatfs(fd->get(), &figures) != 0 || !info.ok() || info->st_dev != device) return 0;
  const absl::StatusOr<std::string> handle = FileHandle(fd->get());
  if (!handle.ok()) return 0;
  std::string bytes;
  AppendBigEndian64(bytes, static_cast<uint64_t>(figures.f_type));
  bytes.append(reinterpret_cast<const char*>(&figures.f_fsid), sizeof(figures.f_fsid));
  bytes.append(*handle);
  return ReadBigEndian64(HashChunk(ChunkKind::kData, bytes).bytes().data()) | kMade;
}

}  // namespace

absl::StatusOr<std::string> FileHandle(int fd) {
  alignas(struct file_handle) char buffer[sizeof(struct file_handle) + MAX_HANDLE_SZ] = {};
  auto* const handle = reinterpret_cast<struct file_handle*>(buffer);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  std::string bytes;
  if (name_to_handle_at(fd, "", handle, &mount, AT_EMPTY_PATH) == 0) {
    AppendBigEndian32(bytes, static_cast<uint32_t>(handle->handle_type));
    bytes.append(reinterpret_cast<const char*>(handle->f_handle), handle->handle_bytes);
    return bytes;
  }
  FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(fd));
  AppendBigEndian64(bytes, info.st_ino);
  return bytes;
}

void FileSystems::Refresh() {
  if (!mounts_.Changed()) return;
  stored_.clear();
  devices_.clear();
  const std::string inside = root_ == "/" ? root_ : root_ + "/";
  for (const Mount& mount : MountTable::Read()) {
    const bool known = mount.device == device_ || stored_.contains(mount.device);
    if (known || !mount.point.starts_with(inside)) continue;
    const uint64_t name = NameOf(mount.point, mount.device);
    if (name == 0) continue;
    stored_[mount.device] = name;
    devices_[name] = mount.device;
  }
}

uint64_t FileSystems::ToStored(uint64_t device) {
  if (device == device_) return 0;
  absl::MutexLock lock(&mutex_);
  Refresh();
  const auto it = stored_.find(device);
  return it == stored_.end() ? device : it->second;
}

uint64_t FileSystems::FromStored(uint64_t stored) {
  if (stored == 0) return device_;
  if ((stored & kMade) == 0) return stored;
  absl::MutexLock lock(&mutex_);
  Refresh();
  const auto it = devices_.find(stored);
  return it == devices_.end() ? stored : it->second;
}

}  // namespace filesync
