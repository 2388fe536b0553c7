// ConflictList: a folder's conflicts as AdminService lists them, for programs that are not the
// server. Texts are escaped for people. Blocks on the network; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace filesync {

struct ListedSide {
  std::string type;                    // "file", "directory", "symlink" or "tombstone" (deleted)
  uint64_t size = 0;                   // bytes; files
  std::optional<absl::Time> modified;  // files and symlinks
  std::string by;                      // who made it; empty: not known
};

struct ListedConflict {
  std::string path;                  // what is contended for
  bool held = false;                 // else both were kept, one as a conflict copy
  ListedSide local;                  // held: at that agent; else the copy
  std::optional<ListedSide> remote;  // held: in the folder; else under the name, if anything is
  absl::Time since;
  std::string agent_id;    // held: which agent holds it; hex
  std::string agent_name;  // held: its name; else the name in the copy's name
  bool connected = false;  // held: that agent's stream is open
  std::string copy_path;   // of a conflict copy: the copy's path
};

struct ConflictList {
  std::vector<ListedConflict> conflicts;  // by path
  uint64_t omitted = 0;                   // held ones that are not listed
  std::string json;                       // the same as protobuf JSON
};

// All conflicts at or below `prefix` (escaped; empty: all). Unavailable, with a sentence: the
// server at `server` (HOST:PORT) can't be reached. NotFound: it has no such folder.
absl::StatusOr<ConflictList> FetchConflicts(const std::string& server, const std::string& folder,
                                            const std::string& prefix);

}  // namespace filesync
