// How people say for how long, and up to which size, replaced and deleted files are kept.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace filesync {

// A whole number of days from 1 on, or "off": for ever. Errors: InvalidArgument.
absl::StatusOr<absl::Duration> ParseTrashDays(std::string_view text);
// Bytes as a whole number from 1 on, with k, M, G or T of 1024 after it or nothing, or "off": any
// number. Errors: InvalidArgument.
absl::StatusOr<uint64_t> ParseTrashSize(std::string_view text);

}  // namespace filesync
