// Gives files their names and takes them away: one atomic rename each, and a look at what it
// moved. Invariant: whatever is displaced is at its own name, at the new one, or in the trash;
// a fingerprint that is returned is that of the very inode that was placed. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/location/location.h"

namespace filesync {

class Placement {
 public:
  // Handles of two directories of one file system, which must outlive this.
  Placement(const Clock* clock, int tmp, int trash) : clock_(clock), tmp_(tmp), trash_(trash) {}

  // Puts tmp/`staged`, open as `staged_fd`, at `parent`/`name`, in place of `expected` or of
  // nothing. Unless applied it is in tmp/ still, or in the trash if it was to be seen for a moment.
  absl::StatusOr<ApplyResult> Install(const std::string& staged, int staged_fd, int parent,
                                      const std::string& name,
                                      const std::optional<Fingerprint>& expected) const;
  // Files and symlinks go to the trash, a directory only when it is empty.
  absl::StatusOr<ApplyResult> Remove(int parent, const std::string& name,
                                     const Fingerprint& expected) const;
  absl::StatusOr<ApplyResult> Move(int from_parent, const std::string& from_name,
                                   const Fingerprint& expected, int to_parent,
                                   const std::string& to_name) const;
  // In place of `replaced`, which goes to the trash; no directories.
  absl::StatusOr<ApplyResult> MoveOver(int from_parent, const std::string& from_name,
                                       const Fingerprint& expected, int to_parent,
                                       const std::string& to_name,
                                       const Fingerprint& replaced) const;

 private:
  std::string TrashName(const std::string& name) const;
  int RenameNew(int from, const std::string& from_name, int to, const std::string& to_name,
                bool directory) const;
  int LinkNew(int from, const std::string& from_name, int to, const std::string& to_name) const;
  absl::StatusOr<ApplyKind> Replace(const std::string& staged, const Fingerprint& ours, int parent,
                                    const std::string& name, const Fingerprint& expected) const;
  void ExchangeBack(const std::string& trash, const Fingerprint& ours, int parent,
                    const std::string& name) const;
  absl::StatusOr<ApplyKind> ReplaceInTwoSteps(const std::string& staged_in_trash,
                                              const std::string& staged, int parent,
                                              const std::string& name,
                                              const Fingerprint& expected) const;
  absl::StatusOr<ApplyResult> RemoveIntoTrash(int parent, const std::string& name,
                                              const Fingerprint& expected) const;

  const Clock* const clock_;
  const int tmp_;
  const int trash_;
};

}  // namespace filesync
