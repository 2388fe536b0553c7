#include "libs/location/writable_moment.h"

#include <sys/stat.h>

#include "libs/base/status.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr mode_t kModeBits = 07777;
// To change what is in a directory its names must be reached, too.
constexpr mode_t kOwnerChanges = S_IWUSR | S_IXUSR;

}  // namespace

WritableMoment::WritableMoment(std::initializer_list<int> directories) {
  for (const int fd : directories) {
    const absl::StatusOr<struct stat> info = StatFd(fd);
    if (!info.ok()) continue;
    const mode_t before = info->st_mode & kModeBits;
    const mode_t now = before | kOwnerChanges;
    if (now != before && SetModeBits(fd, now).ok()) opened_.push_back({fd, before, now});
  }
}

WritableMoment::~WritableMoment() {
  for (const Opened& opened : opened_) {
    const absl::StatusOr<struct stat> info = StatFd(opened.fd);
    if (info.ok() && (info->st_mode & kModeBits) == opened.now) {
      (void)SetModeBits(opened.fd, opened.before);
    }
  }
}

}  // namespace filesync
