// Exact names on a file system that takes several names for one: that folds case, as FAT and NTFS
// do, or normalises Unicode, or changes names when it stores them.
//
// There, what a folder has under two such names can't both be held. What came second is refused,
// with the name that it collides with, and stays as the folder has it; what stands here under
// another name is never taken for it, so that it is neither overwritten nor deleted in its place.
// Each look costs listings of the directories above. Thread-safe, as what it stands before.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_directory.h"

namespace filesync {

// Whether the directory's file system folds case. Changes nothing.
bool FoldsCase(int root);
// Whether it normalises Unicode. Makes and removes a file in `scratch`.
bool FoldsUnicode(int scratch);

// Either of them; a file is made in the directory `scratch` for a moment.
bool FoldsNames(int scratch);

// `root`: a handle of the directory of `inner`.
std::unique_ptr<LocalDirectory> WithExactNames(std::unique_ptr<LocalDirectory> inner,
                                               UniqueFd root);

}  // namespace filesync
