// ByteRate: how much may pass in a second, and how people write it. Pure.
//
//   ParseByteRate("512k")      524288
//   ParseByteRate("1.5MiB/s")  1572864
//   ParseByteRate("off")       nullopt, no limit
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace filesync {

// Bytes per second; nullopt is no limit.
using ByteRate = std::optional<uint64_t>;

// A number, whole or with a fraction, then a unit: none or B for bytes, k or K, M, G for powers
// of 1024 (alone or followed by i, iB or B), then "/s" or nothing. "off", "unlimited" and a
// number that is zero are no limit. A lower-case b is refused, because it may mean bits.
// Errors: InvalidArgument.
absl::StatusOr<ByteRate> ParseByteRate(std::string_view text);

}  // namespace filesync
