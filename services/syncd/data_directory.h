// DataDirectory: what the server's data directory is, so that no other is taken for one.
//
//   filesync-data   marker: the format's number, in text
//   store/          the database
// and the small files that the metadata store keeps beside it. Thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace filesync {

// Makes the directory and its marker if there is nothing yet. FailedPrecondition when it holds
// something else, or a newer format. The result is the directory of the database.
absl::StatusOr<std::string> PrepareDataDirectory(const std::string& path);

}  // namespace filesync
