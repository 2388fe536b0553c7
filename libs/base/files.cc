#include "libs/base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// The kernel takes paths of less than PATH_MAX bytes at a time.
constexpr size_t kPathPart = PATH_MAX - 1;
constexpr int kOpenAttempts = 100;

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> OpenBeneath(int root, std::string_view relative, int flags,
                                     unsigned mode) {
  UniqueFd upper;
  while (relative.size() > kPathPart) {
    const size_t slash = relative.rfind('/', kPathPart);
    if (slash == std::string_view::npos) break;
    FS_ASSIGN_OR_RETURN(UniqueFd next,
                        OpenBeneath(root, relative.substr(0, slash), O_PATH | O_DIRECTORY));
    upper = std::move(next);
    root = upper.get();
    relative.remove_prefix(slash + 1);
  }
  const std::string path = relative.empty() ? "." : std::string(relative);
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == EINTR) continue;
    // A rename may have raced with the walk (EXDEV: it was moved out of the root); or, without
    // waiting, another program has a lease.
    const bool passing = errno == EAGAIN || errno == EXDEV;
    if (!passing || attempt >= kOpenAttempts) return ErrnoStatus(errno, "open");
  }
}

absl::StatusOr<std::string> CanonicalPath(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return ErrnoStatus(errno, path);
  std::string canonical(resolved);
  std::free(resolved);
  return canonical;
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.ok()) return fd;
  if (errno == ENOTDIR) return InvalidArgument("{} is not a directory", path);
  return ErrnoStatus(errno, path);
}

bool PathExists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

absl::Status MakeDirectories(const std::string& path) {
  for (size_t slash = 1; slash <= path.size(); ++slash) {
    if (slash < path.size() && path[slash] != '/') continue;
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, fmt::format("cannot make the directory {}", part));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListNames(const std::string& directory) {
  DIR* stream = opendir(directory.c_str());
  if (stream == nullptr) return ErrnoStatus(errno, directory);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  const int error = errno;
  closedir(stream);
  if (error != 0) return ErrnoStatus(error, directory);
  return names;
}

absl::Status ReplaceFile(int directory_fd, const std::string& name, std::string_view bytes) {
  const std::string temporary = fmt::format("{}.{}.new", name, HexEncode(RandomBytes(4)));
  UniqueFd fd(
      openat(directory_fd, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, name);
  absl::Status status = WriteAll(fd.get(), bytes);
  if (status.ok() && fsync(fd.get()) != 0) status = ErrnoStatus(errno, "fsync");
  if (status.ok() && renameat(directory_fd, temporary.c_str(), directory_fd, name.c_str()) != 0) {
    status = ErrnoStatus(errno, "rename");
  }
  if (!status.ok()) {
    unlinkat(directory_fd, temporary.c_str(), 0);
    return Annotate(status, name);
  }
  if (fsync(directory_fd) != 0) return ErrnoStatus(errno, "fsync of a directory");
  return absl::OkStatus();
}

namespace {

absl::StatusOr<std::string> ReadAll(const UniqueFd& fd, const std::string& name, size_t limit) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, name);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > limit) return ResourceExhausted("{} is larger than {} bytes", name, limit);
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFileAt(int directory_fd, const std::string& name, size_t limit) {
  const UniqueFd fd(openat(directory_fd, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.ok()) return ErrnoStatus(errno, name);
  return ReadAll(fd, name, limit);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, path);
  return ReadAll(fd, path, limit);
}

bool IsRegularFile(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string FileStamp(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "";
  return fmt::format("{} {} {} {} {}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mode,
                     info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

absl::StatusOr<std::string> SetFileAside(const std::string& path,
                                         const std::vector<std::string>& suffixes,
                                         int64_t unix_seconds) {
  const std::string aside = fmt::format("{}.damaged-{}", path, unix_seconds);
  // The file itself goes last: what belongs to it must never be found beside a new one.
  for (const std::string& suffix : suffixes) {
    if (rename((path + suffix).c_str(), (aside + suffix).c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, path + suffix);
    }
  }
  if (rename(path.c_str(), aside.c_str()) != 0) return ErrnoStatus(errno, path);
  return aside;
}

}  // namespace filesync
