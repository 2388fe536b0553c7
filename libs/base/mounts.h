// MountTable: what is mounted, as this process sees it (/proc/self/mountinfo). Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/unique_fd.h"

namespace filesync {

struct Mount {
  uint64_t device = 0;  // st_dev
  std::string point;
};

class MountTable {
 public:
  MountTable();
  // It may have changed since this was asked last; true at first, and where nobody can tell.
  bool Changed();
  // In the order of mounting; empty where nobody can tell.
  static std::vector<Mount> Read();

 private:
  const UniqueFd watch_;
  bool asked_ = false;
};

}  // namespace filesync
