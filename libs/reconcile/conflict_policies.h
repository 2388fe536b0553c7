// ConflictPolicies: which policy a conflict at a path is settled by: the last pattern that
// matches says it, else the default. Immutable once built; safe to read from any thread.
//
//   ConflictPolicies policies;                 // keep-both
//   policies.Add("newest");                    // the default
//   policies.Add("*.db=keep-local");           // for files of this name, anywhere
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/model/modes.h"
#include "libs/paths/ignore_pattern.h"
#include "libs/paths/rel_path.h"

namespace filesync {

class ConflictPolicies {
 public:
  // "POLICY" or "PATTERN=POLICY", with the patterns of ignore files. InvalidArgument says what
  // was expected.
  absl::Status Add(std::string_view text);

  ConflictPolicy For(const RelPath& path) const;

 private:
  ConflictPolicy default_ = ConflictPolicy::kKeepBoth;
  std::vector<std::pair<IgnorePattern, ConflictPolicy>> by_pattern_;
};

}  // namespace filesync
