// UpcomingPart: a part of a file's content that is on the server before the file is committed.
#pragma once

#include <cstdint>
#include <vector>

#include "libs/content/content.h"
#include "libs/paths/rel_path.h"

namespace filesync {

struct UpcomingPart {
  uint64_t transfer = 0;  // which file, among those that its agent sends
  RelPath path;           // the file's, and its size in bytes, as its agent sees them now
  uint64_t size = 0;
  uint64_t first = 0;            // how many of its chunks came before these
  std::vector<ChunkRef> chunks;  // its next ones, in order
};

}  // namespace filesync
