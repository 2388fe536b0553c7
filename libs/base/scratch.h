// Scratch: a private directory for a moment, and copies of files that others may be writing.
// Thread-compatible.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace filesync {

// A new directory (0700) in $TMPDIR, /tmp, /dev/shm or /var/tmp, whichever can be written to. It
// goes with this object, with the files in it.
class ScratchDirectory {
 public:
  static absl::StatusOr<ScratchDirectory> Make();
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();
  const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
};

// Copies the files `names` of the directory `from` into the directory `to`, as they were at one
// moment: when one changes meanwhile, all are copied again, for `patience`; then Unavailable. A
// file that is not there is left out; returns those that were copied. Changes nothing in `from`.
absl::StatusOr<std::vector<std::string>> CopyWhileStill(const std::string& from,
                                                        const std::vector<std::string>& names,
                                                        const std::string& to,
                                                        absl::Duration patience);

}  // namespace filesync
