// Encoding: how contents, entries and changes stand in the state file. Versioned by the state
// file's schema number; a value that does not parse is DataLoss, and the state is rebuilt by a
// merge. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/location/location.h"
#include "libs/model/entry.h"

namespace filesync {

// How long the root's key in a state of before 0.3 is: the marker's id, the device, the inode.
inline constexpr size_t kOlderRootKeyBytes = 16 + 8 + 8;

std::string EncodeContent(const Content& content);
absl::StatusOr<Content> DecodeContent(std::string_view bytes);

// The whole entry, path, version and move halves included.
std::string EncodeEntry(const Entry& entry);
absl::StatusOr<Entry> DecodeEntry(std::string_view bytes);

// Empty when they say nothing.
std::string EncodeAttributes(const Attributes& attributes);
absl::StatusOr<Attributes> DecodeAttributes(std::string_view bytes);

// One change of a commit that waits for its answer, with the fingerprint that its base row is
// to get when it is accepted.
struct PendingChange {
  Change change;
  Fingerprint fingerprint;
  LocalMetadata local;  // how it stood here with that fingerprint
  // For who is told of it, and not kept: how much of its content is new, and why it is committed.
  uint64_t bytes = 0;
  const char* why = "its answer was lost";
};
std::string EncodePendingChanges(const std::vector<PendingChange>& changes);
absl::StatusOr<std::vector<PendingChange>> DecodePendingChanges(std::string_view bytes);

}  // namespace filesync
