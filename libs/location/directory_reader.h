// Lists one directory of the local file system.
#pragma once

#include "absl/status/statusor.h"
#include "libs/base/unique_fd.h"
#include "libs/location/location.h"
#include "libs/location/posix_attributes.h"

namespace filesync {

// True when the directory has a marker of its own, which makes it somebody else's to sync; also
// when that can't be told.
bool IsSyncedItself(int directory);

// Reads all of the directory `fd`, which is `directory`. Any error but a name that vanished
// meanwhile fails the whole listing: a part is not a proof of absence.
absl::StatusOr<Listing> ReadDirectory(UniqueFd fd, const RelPath& directory,
                                      PosixAttributes& attributes);

}  // namespace filesync
