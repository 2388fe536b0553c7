// What stat(2) says, in the location's words. Thread-safe.
#pragma once

#include <sys/stat.h>

#include <string>

#include "absl/status/statusor.h"
#include "libs/location/location.h"
#include "libs/location/posix_attributes.h"

namespace filesync {

Fingerprint ToFingerprint(const struct stat& info);
LocalType ToLocalType(const struct stat& info);

// lstat of `name` in the directory; the Status keeps its errno.
absl::StatusOr<struct stat> StatAt(int directory, const std::string& name);
absl::StatusOr<struct stat> StatFd(int fd);
// The target of a symlink.
absl::StatusOr<std::string> ReadLinkAt(int directory, const std::string& name);

// The whole entry for what stands at `name`.
absl::StatusOr<LocalEntry> EntryAt(int directory, const std::string& name, const RelPath& path,
                                   PosixAttributes& attributes);

// "Done", with how it is now; without attributes.
ApplyResult Applied(const struct stat& info);
// The stat of what `fd` leads to, if only its name changed since `before`; if it was
// written to or its mode set, the one of `before`, so that the next look sees a difference.
absl::StatusOr<struct stat> StatSince(int fd, const struct stat& before);
// A directory is known by device and inode, everything else by the whole fingerprint.
bool IsAsExpected(const struct stat& info, const Fingerprint& expected);

// By handle, which may be O_PATH (so no permission to read is needed); the second one also of a
// symlink itself.
absl::Status SetMode(int fd, uint32_t mode);
// The same with the set-id bits and the sticky bit, which SetMode clears.
absl::Status SetModeBits(int fd, uint32_t mode);
absl::Status SetModificationTime(int fd, int64_t mtime_ns);

// An mtime as utimensat takes it, leaving the atime alone.
class ModificationTime {
 public:
  explicit ModificationTime(int64_t mtime_ns);
  const struct timespec* get() const { return times_; }

 private:
  struct timespec times_[2];
};

}  // namespace filesync
