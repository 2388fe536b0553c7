// Brake: how much may be deleted at once without a person's word. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace filesync {

class BrakeLimit {
 public:
  // "50%" (of what the folder holds, and at least 25 entries), "1000" (entries) or "off".
  // InvalidArgument says what was expected.
  static absl::StatusOr<BrakeLimit> Parse(std::string_view text);

  // Half of the folder.
  BrakeLimit() = default;

  // True when `deletions` of the folder's `entries` must wait for a confirmation.
  bool Holds(uint64_t deletions, uint64_t entries) const;
  // True when so many never wait, whatever the folder holds.
  bool AlwaysAllows(uint64_t deletions) const;
  bool off() const { return off_; }

 private:
  bool off_ = false;
  uint64_t percent_ = 50;  // 0: `most_` counts
  uint64_t most_ = 0;
};

}  // namespace filesync
