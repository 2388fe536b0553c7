// How people say for how long, and up to which size, replaced and deleted files are kept.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "libs/location/location.h"

namespace filesync {

// `days`: a whole number from 1 on, or "off". `size`: bytes as a whole number from 1 on, with k,
// M, G or T of 1024 after it or nothing, or "off". Errors: InvalidArgument, which names the flag.
absl::StatusOr<TrashLimits> ParseTrashLimits(std::string_view days, std::string_view size);

}  // namespace filesync
