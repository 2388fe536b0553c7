#include "libs/location/placement.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/posix_stat.h"

namespace filesync {
namespace {

constexpr size_t kTrashNameBytes = 200;
// Each attempt is lost to one more save by another program.
constexpr int kExchangeAttempts = 16;

ApplyResult StillFull() { return {ApplyKind::kNotEmpty, {}, {}, {}}; }

bool NotSupported(int error) { return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP; }

}  // namespace

absl::StatusOr<ApplyResult> Placement::Install(const std::string& staged, int staged_fd, int parent,
                                               const std::string& name,
                                               const std::optional<Fingerprint>& expected) const {
  FS_ASSIGN_OR_RETURN(const struct stat before, StatFd(staged_fd));
  if (expected.has_value()) {
    FS_ASSIGN_OR_RETURN(const ApplyKind kind,
                        Replace(staged, ToFingerprint(before), parent, name, *expected));
    if (kind != ApplyKind::kApplied) return ApplyResult{kind, {}, {}, {}};
  } else {
    const int error = RenameNew(tmp_, staged, parent, name, false);
    if (error == EEXIST) return SomethingElse();
    if (error != 0) return ErrnoStatus(error, "rename");
  }
  FS_ASSIGN_OR_RETURN(const struct stat now, StatSince(staged_fd, before));
  return Applied(now);
}

absl::StatusOr<ApplyResult> Placement::Remove(int parent, const std::string& name,
                                              const Fingerprint& expected) const {
  const absl::StatusOr<struct stat> info = StatAt(parent, name);
  if (!info.ok()) {
    if (ErrnoOf(info.status()) == ENOENT) return NothingThere();
    return info.status();
  }
  if (!IsAsExpected(*info, expected)) return SomethingElse();
  if (!S_ISDIR(info->st_mode)) return RemoveIntoTrash(parent, name, expected);
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return NothingThere();
  if (errno == ENOTEMPTY || errno == EEXIST) return StillFull();
  return ErrnoStatus(errno, "rmdir");
}

absl::StatusOr<ApplyResult> Placement::Move(int from_parent, const std::string& from_name,
                                            const Fingerprint& expected, int to_parent,
                                            const std::string& to_name) const {
  FS_ASSIGN_OR_RETURN(const UniqueFd fd, OpenBeneath(from_parent, from_name, O_PATH | O_NOFOLLOW));
  FS_ASSIGN_OR_RETURN(const struct stat before, StatFd(fd.get()));
  const bool directory = S_ISDIR(before.st_mode);
  // Not the ctime, which the rename of an earlier step changes.
  if (!directory && !ToFingerprint(before).SameButCtime(expected)) return SomethingElse();
  if (directory && !IsAsExpected(before, expected)) return SomethingElse();
  const int error = RenameNew(from_parent, from_name, to_parent, to_name, directory);
  if (error == EEXIST) return SomethingElse();
  if (error != 0) return ErrnoStatus(error, "rename");
  const absl::StatusOr<struct stat> moved = StatAt(to_parent, to_name);
  if (!moved.ok() || moved->st_ino != before.st_ino || moved->st_dev != before.st_dev) {
    // Another file had taken the old name after the look: it goes back to where it was saved.
    (void)RenameNew(to_parent, to_name, from_parent, from_name, directory);
    return SomethingElse();
  }
  FS_ASSIGN_OR_RETURN(const struct stat now, StatSince(fd.get(), before));
  return Applied(now);
}

absl::StatusOr<ApplyResult> Placement::MoveOver(int from_parent, const std::string& from_name,
                                                const Fingerprint& expected, int to_parent,
                                                const std::string& to_name,
                                                const Fingerprint& replaced) const {
  FS_ASSIGN_OR_RETURN(const UniqueFd fd, OpenBeneath(from_parent, from_name, O_PATH | O_NOFOLLOW));
  FS_ASSIGN_OR_RETURN(const struct stat before, StatFd(fd.get()));
  if (S_ISDIR(before.st_mode) || !ToFingerprint(before).SameButCtime(expected)) {
    return SomethingElse();
  }
  const absl::StatusOr<struct stat> target = StatAt(to_parent, to_name);
  if (!target.ok()) {
    if (ErrnoOf(target.status()) == ENOENT) return SomethingElse();
    return target.status();
  }
  if (S_ISDIR(target->st_mode) || !IsAsExpected(*target, replaced)) return SomethingElse();
  if (renameat2(from_parent, from_name.c_str(), to_parent, to_name.c_str(), RENAME_EXCHANGE) != 0) {
    const int error = errno;
    if (error == ENOENT) return SomethingElse();
    if (!NotSupported(error)) return ErrnoStatus(error, "rename");
    FS_ASSIGN_OR_RETURN(const ApplyResult removed, Remove(to_parent, to_name, replaced));
    if (removed.kind != ApplyKind::kApplied) return removed;
    return Move(from_parent, from_name, expected, to_parent, to_name);
  }
  const absl::StatusOr<struct stat> in = StatAt(to_parent, to_name);
  const bool ours = in.ok() && in->st_ino == before.st_ino && in->st_dev == before.st_dev;
  const absl::StatusOr<struct stat> out = StatAt(from_parent, from_name);
  const bool expected_out = out.ok() && ToFingerprint(*out).SameButCtime(replaced);
  if (ours && !expected_out) {
    // Saved between the look and the exchange: both go back.
    (void)renameat2(from_parent, from_name.c_str(), to_parent, to_name.c_str(), RENAME_EXCHANGE);
    return SomethingElse();
  }
  if (expected_out) {
    FS_RETURN_IF_ERROR(RemoveIntoTrash(from_parent, from_name, replaced).status());
  }
  // A newer save of either has the new name: it keeps it.
  if (!ours) return SomethingElse();
  FS_ASSIGN_OR_RETURN(const struct stat now, StatSince(fd.get(), before));
  return Applied(now);
}

std::string Placement::TrashName(const std::string& name) const {
  return fmt::format("{}-{}-{}", absl::ToUnixSeconds(clock_->Now()), HexEncode(RandomBytes(4)),
                     name.substr(0, kTrashNameBytes));
}

// rename(2) to a name that must be free; 0 or the errno.
int Placement::RenameNew(int from, const std::string& from_name, int to, const std::string& to_name,
                         bool directory) const {
  if (renameat2(from, from_name.c_str(), to, to_name.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (!NotSupported(errno)) return errno;
  if (!directory) return LinkNew(from, from_name, to, to_name);
  // There is no link(2) for directories, but rename(2) replaces none that holds anything.
  struct stat info {};
  if (fstatat(to, to_name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
  return renameat(from, from_name.c_str(), to, to_name.c_str()) == 0 ? 0 : errno;
}

// The same where the file system has no RENAME_NOREPLACE. The old name goes by way of the trash,
// because by now it may be that of a newer save.
int Placement::LinkNew(int from, const std::string& from_name, int to,
                       const std::string& to_name) const {
  if (linkat(from, from_name.c_str(), to, to_name.c_str(), 0) != 0) return errno;
  const std::string aside = TrashName(from_name);
  if (renameat(from, from_name.c_str(), trash_, aside.c_str()) != 0) return 0;
  const absl::StatusOr<struct stat> linked = StatAt(to, to_name);
  const absl::StatusOr<struct stat> old = StatAt(trash_, aside);
  const bool same =
      linked.ok() && old.ok() && linked->st_ino == old->st_ino && linked->st_dev == old->st_dev;
  // What else was there goes back to its name.
  if (same || linkat(trash_, aside.c_str(), from, from_name.c_str(), 0) == 0) {
    unlinkat(trash_, aside.c_str(), 0);
  }
  return 0;
}

absl::StatusOr<ApplyKind> Placement::Replace(const std::string& staged, const Fingerprint& ours,
                                             int parent, const std::string& name,
                                             const Fingerprint& expected) const {
  const absl::StatusOr<struct stat> target = StatAt(parent, name);
  if (!target.ok()) {
    if (ErrnoOf(target.status()) == ENOENT) return ApplyKind::kChanged;
    return target.status();
  }
  // A directory is never displaced: what is in it is not known here.
  if (S_ISDIR(target->st_mode) || !IsAsExpected(*target, expected)) return ApplyKind::kChanged;
  // The new file goes into the trash first and is exchanged from there: so what comes out
  // never has a name that a clean-up deletes, whenever this process dies.
  const std::string trash = TrashName(name);
  if (renameat(tmp_, staged.c_str(), trash_, trash.c_str()) != 0) {
    return ErrnoStatus(errno, "rename");
  }
  if (renameat2(trash_, trash.c_str(), parent, name.c_str(), RENAME_EXCHANGE) != 0) {
    const int error = errno;
    if (NotSupported(error)) return ReplaceInTwoSteps(trash, staged, parent, name, expected);
    (void)renameat(trash_, trash.c_str(), tmp_, staged.c_str());
    if (error == ENOENT) return ApplyKind::kChanged;
    return ErrnoStatus(error, "rename");
  }
  FS_ASSIGN_OR_RETURN(const struct stat displaced, StatAt(trash_, trash));
  if (ToFingerprint(displaced).SameButCtime(expected)) return ApplyKind::kApplied;
  ExchangeBack(trash, ours, parent, name);
  return ApplyKind::kChanged;
}

// Somebody saved between the look and the exchange, and that save is in the trash now: back it
// goes. A yet newer save may come out instead of our file; then that one goes back in its turn,
// so the last save gets the name and the one before it stays in the trash. Our file stays there
// too: its name was seen, so somebody may have it open and write to it.
void Placement::ExchangeBack(const std::string& trash, const Fingerprint& ours, int parent,
                             const std::string& name) const {
  const auto same_inode = [](const Fingerprint& a, const Fingerprint& b) {
    return a.inode == b.inode && a.device == b.device;
  };
  absl::StatusOr<struct stat> in_trash = StatAt(trash_, trash);
  std::optional<Fingerprint> last_put;
  for (int attempt = 0; attempt < kExchangeAttempts && in_trash.ok(); ++attempt) {
    const Fingerprint put = ToFingerprint(*in_trash);
    // The name is free: it was deleted since, and the trash keeps what was saved before.
    if (renameat2(trash_, trash.c_str(), parent, name.c_str(), RENAME_EXCHANGE) != 0) return;
    in_trash = StatAt(trash_, trash);
    if (!in_trash.ok()) return;
    const Fingerprint out = ToFingerprint(*in_trash);
    if (same_inode(out, ours)) return;
    if (last_put.has_value() && same_inode(out, *last_put)) return;
    last_put = put;
  }
}

// Where the file system can't exchange: the old one steps aside first. For a moment nothing is
// there; should the process die then, the folder's newer entry is brought again.
absl::StatusOr<ApplyKind> Placement::ReplaceInTwoSteps(const std::string& staged_in_trash,
                                                       const std::string& staged, int parent,
                                                       const std::string& name,
                                                       const Fingerprint& expected) const {
  const std::string aside = TrashName(name);
  int error = renameat(parent, name.c_str(), trash_, aside.c_str()) == 0 ? 0 : errno;
  if (error == 0) {
    const absl::StatusOr<struct stat> displaced = StatAt(trash_, aside);
    if (displaced.ok() && ToFingerprint(*displaced).SameButCtime(expected)) {
      error = RenameNew(trash_, staged_in_trash, parent, name, false);
      if (error == 0) return ApplyKind::kApplied;
    }
    // When its name was taken again meanwhile, it stays in the trash.
    const bool directory = displaced.ok() && S_ISDIR(displaced->st_mode);
    (void)RenameNew(trash_, aside, parent, name, directory);
  }
  (void)renameat(trash_, staged_in_trash.c_str(), tmp_, staged.c_str());
  if (error == 0 || error == EEXIST || error == ENOENT) return ApplyKind::kChanged;
  return ErrnoStatus(error, "rename");
}

absl::StatusOr<ApplyResult> Placement::RemoveIntoTrash(int parent, const std::string& name,
                                                       const Fingerprint& expected) const {
  const std::string trash = TrashName(name);
  if (renameat(parent, name.c_str(), trash_, trash.c_str()) != 0) {
    if (errno == ENOENT) return NothingThere();
    return ErrnoStatus(errno, "rename into the trash");
  }
  FS_ASSIGN_OR_RETURN(const struct stat displaced, StatAt(trash_, trash));
  if (ToFingerprint(displaced).SameButCtime(expected)) return NothingThere();
  // Saved between the look and the rename: back it goes, if its name is still free.
  (void)RenameNew(trash_, trash, parent, name, S_ISDIR(displaced.st_mode));
  return SomethingElse();
}

}  // namespace filesync
