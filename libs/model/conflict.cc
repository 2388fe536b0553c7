#include "libs/model/conflict.h"

namespace filesync {

ConflictSide ToConflictSide(const Entry& entry) {
  ConflictSide side;
  side.type = entry.type;
  if (entry.type == EntryType::kFile) {
    side.size = entry.content.size;
    side.short_hash = std::string(entry.content.hash.bytes().substr(0, kShortHashBytes));
  }
  if (entry.type == EntryType::kFile || entry.type == EntryType::kSymlink) {
    side.mtime_ns = entry.mtime_ns;
  }
  side.version = entry.version;
  side.author = entry.author;
  return side;
}

}  // namespace filesync
