#include "libs/location/posix_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "libs/base/status.h"

namespace filesync {
namespace {

// Times that don't fit into 64 bits of nanoseconds (some file systems hold years after 2261) count
// as the last or first that is carried.
int64_t Nanoseconds(const struct timespec& time) {
  constexpr int64_t kMostSeconds = 9'200'000'000;
  if (time.tv_sec >= kMostSeconds) return kMostSeconds * 1'000'000'000;
  if (time.tv_sec < -kMostSeconds) return -kMostSeconds * 1'000'000'000;
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Fingerprint ToFingerprint(const struct stat& info) {
  Fingerprint fingerprint;
  fingerprint.device = info.st_dev;
  fingerprint.inode = info.st_ino;
  fingerprint.size = static_cast<uint64_t>(info.st_size);
  fingerprint.mtime_ns = Nanoseconds(info.st_mtim);
  fingerprint.ctime_ns = Nanoseconds(info.st_ctim);
  return fingerprint;
}

LocalType ToLocalType(const struct stat& info) {
  if (S_ISREG(info.st_mode)) return LocalType::kFile;
  if (S_ISDIR(info.st_mode)) return LocalType::kDirectory;
  if (S_ISLNK(info.st_mode)) return LocalType::kSymlink;
  return LocalType::kOther;
}

absl::StatusOr<struct stat> StatAt(int directory, const std::string& name) {
  struct stat info {};
  if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, "stat");
  }
  return info;
}

absl::StatusOr<struct stat> StatFd(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, "stat");
  return info;
}

absl::StatusOr<std::string> ReadLinkAt(int directory, const std::string& name) {
  std::string target(kMaxSymlinkTargetBytes + 1, '\0');
  const ssize_t size = readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0) return ErrnoStatus(errno, "readlink");
  target.resize(static_cast<size_t>(size));
  return target;
}

absl::StatusOr<LocalEntry> EntryAt(int directory, const std::string& name, const RelPath& path,
                                   PosixAttributes& attributes) {
  constexpr int kAttempts = 16;
  for (int attempt = 1;; ++attempt) {
    FS_ASSIGN_OR_RETURN(const struct stat info, StatAt(directory, name));
    LocalEntry entry;
    entry.path = path;
    entry.type = ToLocalType(info);
    entry.mode = info.st_mode & 0777;
    entry.fingerprint = ToFingerprint(info);
    if (entry.type == LocalType::kFile) entry.names = info.st_nlink;
    entry.attributes = attributes.Look(directory, name, info, entry.untold);
    if (entry.type != LocalType::kSymlink) return entry;
    absl::StatusOr<std::string> target = ReadLinkAt(directory, name);
    if (target.ok()) {
      entry.symlink_target = *std::move(target);
      return entry;
    }
    // EINVAL: it was replaced by something else since.
    if (ErrnoOf(target.status()) != EINVAL || attempt == kAttempts) return target.status();
  }
}

ApplyResult Applied(const struct stat& info) {
  ApplyResult result;
  result.fingerprint = ToFingerprint(info);
  result.now.mode = info.st_mode & 0777;
  return result;
}

absl::StatusOr<struct stat> StatSince(int fd, const struct stat& before) {
  FS_ASSIGN_OR_RETURN(const struct stat now, StatFd(fd));
  const Fingerprint old = ToFingerprint(before);
  const Fingerprint current = ToFingerprint(now);
  // A directory's size and times change with what is in it.
  const bool same = S_ISDIR(now.st_mode) || current.SameButCtime(old);
  return same && now.st_mode == before.st_mode ? now : before;
}

bool IsAsExpected(const struct stat& info, const Fingerprint& expected) {
  const Fingerprint now = ToFingerprint(info);
  if (!S_ISDIR(info.st_mode)) return now == expected;
  return now.device == expected.device && now.inode == expected.inode;
}

absl::Status SetMode(int fd, uint32_t mode) { return SetModeBits(fd, mode & 0777); }

absl::Status SetModeBits(int fd, uint32_t mode) {
  // fchmod refuses O_PATH handles; the link in /proc leads to the very inode.
  const std::string self = fmt::format("/proc/self/fd/{}", fd);
  if (fchmodat(AT_FDCWD, self.c_str(), mode, 0) != 0) return ErrnoStatus(errno, "chmod");
  return absl::OkStatus();
}

absl::Status SetModificationTime(int fd, int64_t mtime_ns) {
  const ModificationTime times(mtime_ns);
  if (utimensat(fd, "", times.get(), AT_EMPTY_PATH) != 0) return ErrnoStatus(errno, "utimens");
  return absl::OkStatus();
}

ModificationTime::ModificationTime(int64_t mtime_ns) : times_{} {
  constexpr int64_t kBillion = 1'000'000'000;
  times_[0].tv_nsec = UTIME_OMIT;
  // Rounded down, so that times before 1970 keep their nanoseconds positive.
  times_[1].tv_sec = mtime_ns / kBillion - (mtime_ns % kBillion < 0 ? 1 : 0);
  times_[1].tv_nsec = (mtime_ns % kBillion + kBillion) % kBillion;
}

}  // namespace filesync
