// What the server knows of a folder's conflicts, and how people read it. Blocks on the network.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "filesync/v1/admin.pb.h"

namespace filesync {

// All conflicts at or below `prefix` (escaped; empty: all), in one message without page tokens.
// Unavailable, with a sentence: the server at `server` (HOST:PORT) can't be reached. NotFound: it
// has no such folder.
absl::StatusOr<v1::ListConflictsResponse> FetchConflicts(const std::string& server,
                                                         const std::string& folder,
                                                         const std::string& prefix);

// "file, 1.5 KiB, 2026-11-21 10:10:10, by laptop"; local time.
std::string ForPeople(const v1::ConflictSideView& side);
// "2026-11-21 10:10:10"; local time.
std::string ForPeople(const google::protobuf::Timestamp& time);

}  // namespace filesync
