#include "libs/location/file_systems.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/content/hasher.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr char kMounts[] = "/proc/self/mountinfo";
// No device has it set.
constexpr uint64_t kMade = uint64_t{1} << 63;

// mountinfo writes blanks, tabs, line breaks and backslashes as \ooo.
std::string Unescape(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                        text[i + 3] - '0'));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

// 0: it can't be told.
uint64_t NameOf(const std::string& mount_point, uint64_t device) {
  const UniqueFd fd(open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs figures {};
  const absl::StatusOr<struct stat> info = StatFd(fd.get());
  // Something else may be mounted over it.
  if (!fd.ok() || fstatfs(fd.get(), &figures) != 0 || !info.ok() || info->st_dev != device)
    return 0;
  const absl::StatusOr<std::string> handle = FileHandle(fd.get());
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

FileSystems::FileSystems(std::string root, uint64_t device)
    : root_(std::move(root)), device_(device), mounts_(open(kMounts, O_RDONLY | O_CLOEXEC)) {}

void FileSystems::Refresh() {
  // What the kernel says of a table that changed since it was asked last; see proc(5).
  pollfd changed = {mounts_.get(), POLLPRI, 0};
  const bool same = mounts_.ok() && poll(&changed, 1, 0) == 0;
  if (looked_ && same) return;
  looked_ = true;
  stored_.clear();
  devices_.clear();
  std::ifstream mounts(kMounts);
  std::string line;
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string id, parent, numbers, within, point;
    fields >> id >> parent >> numbers >> within >> point;
    const size_t colon = numbers.find(':');
    point = Unescape(point);
    if (colon == std::string::npos || !point.starts_with(root_ == "/" ? root_ : root_ + "/"))
      continue;
    const uint64_t device =
        makedev(static_cast<unsigned>(std::strtoul(numbers.c_str(), nullptr, 10)),
                static_cast<unsigned>(std::strtoul(numbers.c_str() + colon + 1, nullptr, 10)));
    if (device == device_ || stored_.contains(device)) continue;
    const uint64_t name = NameOf(point, device);
    if (name == 0) continue;
    stored_[device] = name;
    devices_[name] = device;
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
