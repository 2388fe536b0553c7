#include "libs/location/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

// Smaller files find out that the disk is full soon enough by writing.
constexpr uint64_t kReserveFrom = 1 << 20;
// Kept free of reserved files, so that the agent's own state (a write-ahead log of a few MiB) can
// still be written on a disk that is nearly full.
constexpr uint64_t kKeptFree = 8 << 20;

class PosixFile final : public LocalFile {
 public:
  PosixFile(UniqueFd fd, int root, const RelPath& path)
      : fd_(std::move(fd)), root_(root), path_(path) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n =
          pread(fd_.get(), buffer + done, size - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "read");
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  absl::StatusOr<Fingerprint> Stat() override {
    FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(fd_.get()));
    return ToFingerprint(info);
  }

  absl::StatusOr<uint32_t> Mode() override {
    FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(fd_.get()));
    return info.st_mode & 0777;
  }

  absl::StatusOr<bool> NameIsStillThis() override {
    FS_ASSIGN_OR_RETURN(const struct stat mine, StatFd(fd_.get()));
    absl::StatusOr<UniqueFd> parent =
        OpenBeneath(root_, path_.Parent().bytes(), O_PATH | O_DIRECTORY);
    if (!parent.ok()) return false;
    const absl::StatusOr<struct stat> there = StatAt(parent->get(), std::string(path_.Name()));
    return there.ok() && there->st_ino == mine.st_ino && there->st_dev == mine.st_dev;
  }

  bool HasWriters() override {
    // A read lease is only given while nobody has the file open for writing. It is given back
    // at once, so no writer waits for it.
    if (fcntl(fd_.get(), F_SETLEASE, F_RDLCK) != 0) return true;
    fcntl(fd_.get(), F_SETLEASE, F_UNLCK);
    return false;
  }

 private:
  const UniqueFd fd_;
  const int root_;
  const RelPath path_;
};

}  // namespace

std::unique_ptr<LocalFile> NewPosixFile(UniqueFd fd, int root, const RelPath& path) {
  return std::make_unique<PosixFile>(std::move(fd), root, path);
}

NoWriters::NoWriters(int root, const RelPath& path, int inode) {
  const absl::StatusOr<struct stat> wanted = StatFd(inode);
  if (!wanted.ok() || !S_ISREG(wanted->st_mode)) return;
  absl::StatusOr<UniqueFd> fd =
      OpenBeneath(root, path.bytes(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok()) return;
  const absl::StatusOr<struct stat> opened = StatFd(fd->get());
  if (!opened.ok() || opened->st_ino != wanted->st_ino || opened->st_dev != wanted->st_dev) return;
  fd_ = *std::move(fd);
  held_ = fcntl(fd_.get(), F_SETLEASE, F_RDLCK) == 0;
  refused_ = !held_ && errno == EAGAIN;
}

NoWriters::~NoWriters() {
  if (held_) fcntl(fd_.get(), F_SETLEASE, F_UNLCK);
}

absl::StatusOr<std::unique_ptr<PosixStagedFile>> PosixStagedFile::Create(int tmp_directory,
                                                                         uint64_t size_hint) {
  std::string name = HexEncode(RandomBytes(12));
  UniqueFd fd(openat(tmp_directory, name.c_str(),
                     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "cannot make a temporary file");
  std::unique_ptr<PosixStagedFile> staged(
      new PosixStagedFile(tmp_directory, std::move(name), std::move(fd)));
  if (size_hint < kReserveFrom) return staged;
  // Asked first, because a reservation that fails has filled the disk for a moment.
  struct statvfs disk {};
  if (fstatvfs(staged->fd(), &disk) == 0 && disk.f_blocks > 0 &&
      (size_hint + kKeptFree) / disk.f_frsize > disk.f_bavail) {
    return ErrnoStatus(ENOSPC, "no room for the file");
  }
  if (fallocate(staged->fd(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_hint)) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
    return ErrnoStatus(errno, "no room for the file");
  }
  return staged;
}

PosixStagedFile::~PosixStagedFile() {
  if (!name_.empty()) unlinkat(directory_, name_.c_str(), 0);
}

absl::Status PosixStagedFile::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status PosixStagedFile::SetMetadata(uint32_t mode, int64_t mtime_ns) {
  if (fchmod(fd_.get(), mode & 0777) != 0) return ErrnoStatus(errno, "chmod");
  const ModificationTime times(mtime_ns);
  if (futimens(fd_.get(), times.get()) != 0) return ErrnoStatus(errno, "utimens");
  return absl::OkStatus();
}

}  // namespace filesync
