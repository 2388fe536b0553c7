// Files: the only place where the file system is named by path, and the primitive that
// everything else uses instead: opening beneath a directory handle. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/unique_fd.h"

namespace filesync {

// Opens `relative` beneath `root` with openat2: never outside it, through no symlink, whatever
// the path says. "" is the root itself. `flags` as for open(2); O_CLOEXEC is added.
absl::StatusOr<UniqueFd> OpenBeneath(int root, std::string_view relative, int flags,
                                     unsigned mode = 0);

// The absolute path without symlinks; NotFound when it does not exist.
absl::StatusOr<std::string> CanonicalPath(const std::string& path);
// Opens a directory by path, following symlinks. InvalidArgument when it is no directory.
absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path);
bool PathExists(const std::string& path);
// Makes the directory and missing parents, 0700.
absl::Status MakeDirectories(const std::string& path);
// Names in a directory, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListNames(const std::string& directory);

// True when a regular file, or a symlink to one, is there.
bool IsRegularFile(const std::string& path);

// Replaces `directory_fd`/`name` by `bytes`, atomically and durably (0600).
absl::Status ReplaceFile(int directory_fd, const std::string& name, std::string_view bytes);
// The whole of a file of at most `limit` bytes; ResourceExhausted when it is larger.
absl::StatusOr<std::string> ReadFileAt(int directory_fd, const std::string& name, size_t limit);
// The same by path, following symlinks.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit);
// Differs when the file at `path` was written or replaced; empty when there is none.
std::string FileStamp(const std::string& path);

// Gives `path` and what belongs to it (path + suffix, for each suffix) a new name that ends in
// ".damaged-SECONDS", so that nothing is lost. Returns the new name of `path`.
absl::StatusOr<std::string> SetFileAside(const std::string& path,
                                         const std::vector<std::string>& suffixes,
                                         int64_t unix_seconds);

}  // namespace filesync
