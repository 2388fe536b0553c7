#include "libs/model/entry.h"

namespace filesync {

std::string_view EntryTypeName(EntryType type) {
  switch (type) {
    case EntryType::kTombstone:
      return "tombstone";
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kSymlink:
      return "symlink";
  }
  return "unknown";
}

bool EqualContent(const Entry& a, const Entry& b) {
  if (a.type != b.type) return false;
  if (a.type == EntryType::kFile) {
    return a.content.size == b.content.size && a.content.hash == b.content.hash;
  }
  return a.type != EntryType::kSymlink || a.symlink_target == b.symlink_target;
}

bool EqualState(const Entry& a, const Entry& b) {
  return EqualButAttributes(a, b) && SameAttributes(a.attributes, b.attributes);
}

bool EqualButAttributes(const Entry& a, const Entry& b) {
  if (!EqualContent(a, b)) return false;
  switch (a.type) {
    case EntryType::kFile:
      return a.mode == b.mode && a.mtime_ns == b.mtime_ns;
    case EntryType::kDirectory:
      return a.mode == b.mode;
    case EntryType::kSymlink:
      return a.mtime_ns == b.mtime_ns;
    case EntryType::kTombstone:
      return true;
  }
  return false;
}

}  // namespace filesync
