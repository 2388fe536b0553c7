// HeldConflict: a path whose two sides stay as they are until a person decides, as it is told to
// people. Values; thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/model/entry.h"

namespace filesync {

// How many conflicts one agent reports of one folder, and the server keeps of it.
inline constexpr size_t kMaxReportedConflicts = 1000;
// Of a content hash, as much as people compare.
inline constexpr size_t kShortHashBytes = 8;

struct ConflictSide {
  EntryType type = EntryType::kTombstone;  // a tombstone: deleted
  uint64_t size = 0;                       // bytes; files
  int64_t mtime_ns = 0;                    // since the Unix epoch; files and symlinks
  std::string short_hash;                  // files: the first kShortHashBytes of the content's hash
  uint64_t version = 0;                    // in the folder; 0: not committed
  std::string author;                      // agent id; empty: not committed
  friend bool operator==(const ConflictSide&, const ConflictSide&) = default;
};

ConflictSide ToConflictSide(const Entry& entry);

struct HeldConflict {
  RelPath path;
  ConflictSide local;         // what stands at the agent
  ConflictSide remote;        // what stands in the folder, as far as the agent knows
  uint64_t base_version = 0;  // last agreed on; 0: none
  friend bool operator==(const HeldConflict&, const HeldConflict&) = default;
};

// All that an agent holds: what it reported before and is not among them is settled. Or, when
// `settled` is not empty, only that these are.
struct ConflictReport {
  std::vector<HeldConflict> conflicts;  // by path, at most kMaxReportedConflicts
  uint64_t omitted = 0;                 // how many more there are
  std::vector<RelPath> settled;         // at most kMaxReportedConflicts
  RelPath within;                       // it tells of what is at or below this alone
};

}  // namespace filesync
