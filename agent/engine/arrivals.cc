#include "agent/engine/arrivals.h"

#include "absl/strings/str_split.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// What is not known counts as if it had stood here before: where so much arrives, the brake looks
// after what vanishes.
constexpr size_t kMostKnown = 10'000;
// Longer than the system takes to tell of what vanished meanwhile.
constexpr absl::Duration kQuietFor = absl::Seconds(2);

}  // namespace

void Arrivals::Add(const RelPath& path, absl::Time now) {
  if (paths_.size() >= kMostKnown) return;
  paths_.insert(path);
  last_ = now;
}

void Arrivals::Settle(absl::Time now) {
  if (!paths_.empty() && now - last_ >= kQuietFor) paths_.clear();
}

std::string Arrivals::Encode() const {
  std::string bytes;
  for (const RelPath& path : paths_) {
    bytes += path.bytes();
    bytes += '\0';
  }
  return bytes;
}

void Arrivals::Decode(std::string_view bytes) {
  for (const absl::string_view name : absl::StrSplit(ToAbsl(bytes), '\0', absl::SkipEmpty())) {
    absl::StatusOr<RelPath> path = RelPath::Parse(ToStd(name));
    if (path.ok() && paths_.size() < kMostKnown) paths_.insert(*std::move(path));
  }
}

}  // namespace filesync
