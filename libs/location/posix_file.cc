#include "libs/location/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/zeros.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

// Smaller files find out that the disk is full soon enough by writing.
constexpr uint64_t kReserveFrom = 1 << 20;
// Kept free of reserved files, so that the agent's own state (a write-ahead log of a few MiB) can
// still be written on a disk that is nearly full.
constexpr uint64_t kKeptFree = 8 << 20;
// What a zero run must fill to be left out.
constexpr uint64_t kHoleBlock = 4096;

// Asked first, because a reservation that fails has filled the disk for a moment.
absl::Status CheckRoom(int fd, uint64_t bytes) {
  struct statvfs disk {};
  if (fstatvfs(fd, &disk) == 0 && disk.f_blocks > 0 &&
      (bytes / disk.f_frsize > disk.f_bavail ||
       (bytes + kKeptFree) / disk.f_frsize > disk.f_bavail)) {
    return ErrnoStatus(ENOSPC, "no room for the file");
  }
  return absl::OkStatus();
}

class PosixFile final : public LocalFile {
 public:
  PosixFile(UniqueFd fd, int root, const RelPath& path, PosixAttributes* attributes)
      : fd_(std::move(fd)), root_(root), path_(path), attributes_(attributes) {}

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

  uint64_t NextData(uint64_t offset) override {
    const off_t data = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (data >= 0) return static_cast<uint64_t>(data);
    return errno == ENXIO ? UINT64_MAX : offset;
  }

  absl::StatusOr<Fingerprint> Stat() override {
    FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(fd_.get()));
    return ToFingerprint(info);
  }

  absl::StatusOr<uint32_t> Mode() override {
    FS_ASSIGN_OR_RETURN(const struct stat info, StatFd(fd_.get()));
    return info.st_mode & 0777;
  }

  Attributes LookAtAttributes() override {
    const absl::StatusOr<struct stat> info = StatFd(fd_.get());
    return info.ok() ? attributes_->LookFd(fd_.get(), *info) : Attributes();
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

  void AwaitWrites() override {
    // Looking for a hole takes the lock that a write holds from its stamp to its last byte (tmpfs,
    // ext4, btrfs).
    (void)lseek(fd_.get(), 0, SEEK_HOLE);
  }

 private:
  const UniqueFd fd_;
  const int root_;
  const RelPath path_;
  PosixAttributes* const attributes_;
};

}  // namespace

std::unique_ptr<LocalFile> NewPosixFile(UniqueFd fd, int root, const RelPath& path,
                                        PosixAttributes* attributes) {
  return std::make_unique<PosixFile>(std::move(fd), root, path, attributes);
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

absl::StatusOr<std::unique_ptr<PosixStagedFile>> PosixStagedFile::Create(
    WorkspacePtr workspace, uint64_t size_hint, bool sparse, PosixAttributes* attributes) {
  std::string name = HexEncode(RandomBytes(12));
  UniqueFd fd(openat(workspace->tmp(), name.c_str(),
                     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "cannot make a temporary file");
  std::unique_ptr<PosixStagedFile> staged(
      new PosixStagedFile(std::move(workspace), std::move(name), std::move(fd), attributes));
  if (size_hint < kReserveFrom) return staged;
  FS_RETURN_IF_ERROR(CheckRoom(staged->fd(), size_hint));
  if (sparse) return staged;
  if (fallocate(staged->fd(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_hint)) == 0) {
    staged->reserved_ = true;
  } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
    return ErrnoStatus(errno, "no room for the file");
  }
  return staged;
}

PosixStagedFile::~PosixStagedFile() {
  if (!name_.empty()) unlinkat(workspace_->tmp(), name_.c_str(), 0);
}

// What is not written reads as zeros, so zeros need not be: a block that holds nothing else stays
// a hole.
absl::Status PosixStagedFile::Append(std::string_view bytes) {
  size_t data = 0;  // of `bytes`, what is to be written before the zeros that were found
  while (data < bytes.size()) {
    const uint64_t left_in_block = kHoleBlock - (end_ + data) % kHoleBlock;
    const size_t size = std::min<uint64_t>(left_in_block, bytes.size() - data);
    if (!IsAllZero(bytes.substr(data, size))) {
      data += size;
      continue;
    }
    FS_RETURN_IF_ERROR(Write(bytes.substr(0, data)));
    end_ += size;
    bytes.remove_prefix(data + size);
    data = 0;
  }
  return Write(bytes);
}

absl::Status PosixStagedFile::AppendZeros(uint64_t count) {
  end_ += count;
  return absl::OkStatus();
}

absl::Status PosixStagedFile::Write(std::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  const uint64_t hole = std::exchange(written_, end_ + bytes.size());
  const uint64_t begin = end_;
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(end_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write");
    end_ += static_cast<uint64_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  GiveBack(hole, begin);
  return absl::OkStatus();
}

// Space that was reserved where there turned out to be a hole. Called when the file reaches
// beyond it, because file systems leave alone what lies behind a file's end.
void PosixStagedFile::GiveBack(uint64_t begin, uint64_t end) {
  begin = (begin + kHoleBlock - 1) / kHoleBlock * kHoleBlock;
  end = end / kHoleBlock * kHoleBlock;
  if (!reserved_ || begin >= end) return;
  // Where it can't be, the file is merely less sparse.
  (void)fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                  static_cast<off_t>(end - begin));
}

absl::Status PosixStagedFile::EndHole() {
  if (written_ == end_) return absl::OkStatus();
  if (ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) return ErrnoStatus(errno, "truncate");
  GiveBack(std::exchange(written_, end_), end_ + kHoleBlock - 1);
  return absl::OkStatus();
}

AttributeLoss PosixStagedFile::SetAttributes(const Attributes& wanted) {
  if (attributes_ == nullptr || !wanted.SaySomething()) return {};
  const absl::StatusOr<struct stat> info = StatFd(fd_.get());
  if (!info.ok()) return {{}, info.status(), info.status()};
  return attributes_->Apply(fd_.get(), *info, wanted);
}

absl::Status PosixStagedFile::SetMetadata(uint32_t mode, int64_t mtime_ns) {
  FS_RETURN_IF_ERROR(EndHole());
  // EPERM: it is this agent's file, so it is the file system that has no such bits.
  if (fchmod(fd_.get(), mode & 0777) != 0 && errno != EPERM) return ErrnoStatus(errno, "chmod");
  const ModificationTime times(mtime_ns);
  if (futimens(fd_.get(), times.get()) != 0) return ErrnoStatus(errno, "utimens");
  return absl::OkStatus();
}

}  // namespace filesync
