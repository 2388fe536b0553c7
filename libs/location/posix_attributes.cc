#include "libs/location/posix_attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "libs/base/status.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr int kAttempts = 8;
// The kernel's own limit of all names of a file.
constexpr size_t kNamesLimit = 64 << 10;

std::string PathOf(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

bool Unsupported(int error) { return error == ENOTSUP || error == ENOSYS; }

// The names that travel. A file's last component is never followed: it is told apart by the
// caller, and handles are reached by the link that /proc has of them.
absl::StatusOr<std::vector<std::string>> CarriedNames(const std::string& path, bool by_handle) {
  const auto list = by_handle ? listxattr : llistxattr;
  std::string names(256, '\0');
  ssize_t size = -1;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    size = list(path.c_str(), names.data(), names.size());
    if (size >= 0 || errno != ERANGE || names.size() >= kNamesLimit) break;
    names.resize(kNamesLimit);
  }
  if (size < 0) return ErrnoStatus(errno, "cannot list extended attributes");
  names.resize(static_cast<size_t>(size));
  std::vector<std::string> carried;
  for (size_t at = 0; at < names.size();) {
    std::string name(names.c_str() + at);
    at += name.size() + 1;
    if (IsCarriedXattr(name)) carried.push_back(std::move(name));
  }
  return carried;
}

// One value of at most `room` bytes; NotFound when it went meanwhile.
absl::StatusOr<std::string> ReadXattr(const std::string& path, const std::string& name,
                                      bool by_handle, size_t room) {
  const auto get = by_handle ? getxattr : lgetxattr;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const ssize_t size = get(path.c_str(), name.c_str(), nullptr, 0);
    if (size < 0) return ErrnoStatus(errno, name);
    if (static_cast<size_t>(size) > room) {
      return InvalidArgument("its extended attributes take more than {} bytes", kMaxXattrBytes);
    }
    std::string value(static_cast<size_t>(size), '\0');
    const ssize_t got = get(path.c_str(), name.c_str(), value.data(), value.size());
    if (got < 0 && errno == ERANGE) continue;
    if (got < 0) return ErrnoStatus(errno, name);
    value.resize(static_cast<size_t>(got));
    return value;
  }
  return Aborted("{} keeps changing", name);
}

absl::StatusOr<Xattrs> ReadXattrs(const std::string& path, bool by_handle) {
  FS_ASSIGN_OR_RETURN(const std::vector<std::string> names, CarriedNames(path, by_handle));
  if (names.size() > kMaxXattrs) {
    return InvalidArgument("it has {} extended attributes; at most {} are carried", names.size(),
                           kMaxXattrs);
  }
  Xattrs xattrs;
  size_t room = kMaxXattrBytes;
  for (const std::string& name : names) {
    if (name.size() > room) {
      return InvalidArgument("its extended attributes take more than {} bytes", kMaxXattrBytes);
    }
    room -= name.size();
    absl::StatusOr<std::string> value = ReadXattr(path, name, by_handle, room);
    if (!value.ok() && ErrnoOf(value.status()) == ENODATA) {
      room += name.size();
      continue;
    }
    if (!value.ok()) return value.status();
    room -= value->size();
    xattrs[name] = *std::move(value);
  }
  return xattrs;
}

// Goes on after an error, so that one attribute that is refused does not cost the others.
absl::Status WriteXattrs(const std::string& path, const Xattrs& now, const Xattrs& wanted) {
  absl::Status first;
  auto note = [&first](int result, const std::string& name) {
    if (result != 0 && first.ok()) first = ErrnoStatus(errno, name);
  };
  for (const auto& [name, value] : now) {
    if (!wanted.contains(name)) note(removexattr(path.c_str(), name.c_str()), name);
  }
  for (const auto& [name, value] : wanted) {
    if (!IsCarriedXattr(name)) continue;
    const auto there = now.find(name);
    if (there != now.end() && there->second == value) continue;
    note(setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0), name);
  }
  return first;
}

absl::Status SetXattrs(int fd, const struct stat& info, const Xattrs& wanted) {
  const std::string path = PathOf(fd);
  absl::StatusOr<Xattrs> now = ReadXattrs(path, /*by_handle=*/true);
  if (!now.ok()) {
    if (wanted.empty() && Unsupported(ErrnoOf(now.status()))) return absl::OkStatus();
    if (ErrnoOf(now.status()) != 0) return now.status();
    // More than is carried: what is named is set, what else there is stays.
    now = Xattrs();
  }
  if (*now == wanted) return absl::OkStatus();
  // A file's attributes can only be set by whom its permissions let write.
  const bool read_only = (info.st_mode & S_IWUSR) == 0 && geteuid() != 0;
  const bool opened = read_only && SetMode(fd, info.st_mode | S_IWUSR).ok();
  absl::Status written = WriteXattrs(path, *now, wanted);
  if (opened) FS_RETURN_IF_ERROR(SetMode(fd, info.st_mode));
  return written;
}

}  // namespace

Attributes PosixAttributes::Look(int directory, const std::string& name, const struct stat& info,
                                 std::string& untold) {
  if (!preserve_.any()) return {};
  return LookPath(fmt::format("{}/{}", PathOf(directory), name), info, untold);
}

Attributes PosixAttributes::LookPath(const std::string& path, const struct stat& info,
                                     std::string& untold) {
  Attributes attributes;
  if (preserve_.owner) attributes.owner = accounts_.OwnerOf(info.st_uid, info.st_gid);
  if (!preserve_.xattrs || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))) return attributes;
  absl::StatusOr<Xattrs> xattrs = ReadXattrs(path, /*by_handle=*/false);
  if (xattrs.ok()) {
    attributes.xattrs = std::make_shared<const Xattrs>(*std::move(xattrs));
  } else if (const int error = ErrnoOf(xattrs.status());
             !Unsupported(error) && error != ENOENT && error != EACCES) {
    untold = std::string(ToStd(xattrs.status().message()));
  }
  return attributes;
}

Attributes PosixAttributes::LookFd(int fd, const struct stat& info) {
  if (!preserve_.any()) return {};
  Attributes attributes;
  if (preserve_.owner) attributes.owner = accounts_.OwnerOf(info.st_uid, info.st_gid);
  if (!preserve_.xattrs || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))) return attributes;
  absl::StatusOr<Xattrs> xattrs = ReadXattrs(PathOf(fd), /*by_handle=*/true);
  if (xattrs.ok()) attributes.xattrs = std::make_shared<const Xattrs>(*std::move(xattrs));
  return attributes;
}

AttributeLoss PosixAttributes::Apply(int fd, const struct stat& info, const Attributes& wanted) {
  AttributeLoss loss;
  // The owner first: giving a file away takes its capabilities.
  if (preserve_.owner && wanted.owner != nullptr) loss.owner = SetOwner(fd, info, *wanted.owner);
  if (preserve_.xattrs && wanted.xattrs != nullptr && !S_ISLNK(info.st_mode)) {
    loss.xattrs = SetXattrs(fd, info, *wanted.xattrs);
  }
  return loss;
}

absl::Status PosixAttributes::SetOwner(int fd, const struct stat& info, const Owner& owner) {
  const uid_t uid = accounts_.UserId(owner);
  const gid_t gid = accounts_.GroupId(owner);
  if (info.st_uid == uid && info.st_gid == gid) return absl::OkStatus();
  if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0) return absl::OkStatus();
  absl::Status refused = ErrnoStatus(errno, "chown");
  // Who may not give files away may still give them to a group of theirs.
  constexpr auto kSame = static_cast<uid_t>(-1);
  if (info.st_gid != gid) (void)!fchownat(fd, "", kSame, gid, AT_EMPTY_PATH);
  return refused;
}

}  // namespace filesync
