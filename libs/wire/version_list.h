// VersionList: what a path was and is in a folder, as AdminService tells it, for programs that are
// not the server. Texts are escaped for people. Blocks on the network; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace filesync {

struct ListedVersion {
  uint64_t version = 0;
  absl::Time committed_at;   // the server's clock
  std::string type;          // "file", "directory", "symlink" or "tombstone" (deleted)
  uint64_t size = 0;         // bytes; files
  std::string content_hash;  // hex; files
  std::string author;        // the agent's name, or its id in hex when the server has no name
  std::string moved_to;      // of a tombstone: where it went; empty: nowhere
};

struct VersionList {
  std::vector<ListedVersion> versions;  // newest first
  std::string json;                     // as protobuf JSON
};

// `path` as people write it (escaped). Unavailable, with a sentence: the server at `server`
// (HOST:PORT) can't be reached. NotFound: it has no such folder or path.
absl::StatusOr<VersionList> FetchVersions(const std::string& server, const std::string& folder,
                                          const std::string& path);

// What a server says of itself.
struct ServerFacts {
  std::string version;  // of the program
  absl::Time now;       // its clock when it answered
  absl::Duration took;  // the call
};
// Errors as above.
absl::StatusOr<ServerFacts> FetchServerFacts(const std::string& server);

}  // namespace filesync
