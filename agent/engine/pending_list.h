// PendingList: what of a location is not in step yet, and why. Value types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/paths/rel_path.h"

namespace filesync {

// A path that is not in step yet, and why.
struct PendingPath {
  enum class Kind : uint8_t {
    kToSend,     // changed here
    kToReceive,  // changed there
    kFailed,     // tried again later
    kConflict,   // waits for a person's decision
    kHeld,       // a loss that the brake holds, or that a winner would cost
  };
  Kind kind = Kind::kToSend;
  RelPath path;
  bool deletion = false;  // what is to be sent or received
  std::string reason;
  int attempts = 0;                                  // failed
  absl::Time next_attempt = absl::InfiniteFuture();  // failed
};

struct PendingList {
  std::vector<PendingPath> paths;
  uint64_t total = 0;  // with those beyond the limit; these may turn out to need nothing
};

}  // namespace filesync
