#include "libs/location/location.h"

namespace filesync {

bool Fingerprint::SameButCtime(const Fingerprint& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         mtime_ns == other.mtime_ns;
}

absl::StatusOr<ApplyResult> Location::MoveOver(const RelPath& from, const Fingerprint& expected,
                                               const RelPath& to, const Fingerprint& replaced) {
  absl::StatusOr<ApplyResult> removed = Remove(to, replaced);
  if (!removed.ok() || removed->kind != ApplyKind::kApplied) return removed;
  return Move(from, expected, to);
}

}  // namespace filesync
