// Changes what is in directories that their mode protects, as their owner may: a module cache or an
// unpacked archive is read-only for everybody, and is kept in step all the same.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/status.h"

namespace filesync {

// The owner may write to the directories while this lives; then each has the mode that it had,
// unless somebody has given it another. Should the process die meanwhile, they stay writable.
class WritableMoment {
 public:
  // Handles of directories (O_PATH will do), which must outlive this.
  explicit WritableMoment(std::initializer_list<int> directories);
  ~WritableMoment();
  WritableMoment(const WritableMoment&) = delete;
  WritableMoment& operator=(const WritableMoment&) = delete;

  // One of them could not be written to before, and can now.
  bool opened() const { return !opened_.empty(); }

 private:
  struct Opened {
    int fd = -1;
    mode_t before = 0;
    mode_t now = 0;
  };
  std::vector<Opened> opened_;
};

// What `change` returns, a StatusOr; it is tried again when the modes of `directories` were what
// stopped it. It must leave all as it was when it fails.
template <typename Change>
auto ChangeWhatIsIn(std::initializer_list<int> directories, const Change& change) {
  auto result = change();
  if (ErrnoOf(result.status()) != EACCES) return result;
  const WritableMoment moment(directories);
  if (moment.opened()) result = change();
  return result;
}

}  // namespace filesync
