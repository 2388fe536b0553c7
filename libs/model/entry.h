// Entry: the state of one path at one version. Values; thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/content/content.h"
#include "libs/model/attributes.h"
#include "libs/paths/rel_path.h"

namespace filesync {

inline constexpr size_t kMaxSymlinkTargetBytes = 4095;

enum class EntryType : uint8_t {
  kTombstone = 0,  // deleted, or never existed
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
};

std::string_view EntryTypeName(EntryType type);  // "tombstone", "file", "directory", "symlink"

struct Entry {
  RelPath path;
  EntryType type = EntryType::kTombstone;
  uint32_t mode = 0;           // permission bits, 0777 at most; files and directories
  int64_t mtime_ns = 0;        // since the Unix epoch; files and symlinks, 0 for directories
  Content content;             // files
  std::string symlink_target;  // symlinks, as is, never followed
  Attributes attributes;       // live entries; extended attributes not of symlinks
  uint64_t version = 0;        // 0: not committed
  // A move's two halves: on the tombstone where it went, on the new entry where it came from.
  // The root path means none.
  RelPath moved_to;
  RelPath moved_from;
  // Who committed it and when; set by the server.
  std::string author;  // agent id
  int64_t committed_at_ns = 0;

  bool IsLive() const { return type != EntryType::kTombstone; }
};

// Same type and same bytes (content hash, or symlink target); metadata may differ. Two
// directories are equal, two tombstones are equal.
bool EqualContent(const Entry& a, const Entry& b);
// EqualContent, and the metadata that is carried is the same: mode (files, directories), mtime
// (files, symlinks), attributes. Versions, moves and authorship do not count.
bool EqualState(const Entry& a, const Entry& b);
// The same without the attributes.
bool EqualButAttributes(const Entry& a, const Entry& b);

// One step of a commit: `entry` is to replace what stands at entry.path, if that is still at
// `base_version` (0: nothing may be there).
struct Change {
  Entry entry;
  uint64_t base_version = 0;
  // This entry is a conflict copy of that path (root: it is not); for counting and history.
  RelPath conflict_of;
};

// How far an agent has applied a folder, or where an entry was agreed on.
struct Cursor {
  std::string incarnation;  // 16 random bytes; empty: never synced
  uint64_t version = 0;
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

// One row per start of the server's history: versions first_version and up (until the next
// row's) were given out under `id`.
struct Incarnation {
  std::string id;  // 16 random bytes
  uint64_t first_version = 0;
  friend bool operator==(const Incarnation&, const Incarnation&) = default;
};

}  // namespace filesync
