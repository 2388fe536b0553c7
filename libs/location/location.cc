#include "libs/location/location.h"

#include <algorithm>

#include "libs/base/status.h"

namespace filesync {

absl::Status StagedFile::AppendZeros(uint64_t count) {
  static constexpr size_t kAtOnce = 64 << 10;
  const std::string zeros(std::min<uint64_t>(count, kAtOnce), '\0');
  while (count > 0) {
    const size_t size = std::min<uint64_t>(count, zeros.size());
    FS_RETURN_IF_ERROR(Append(std::string_view(zeros).substr(0, size)));
    count -= size;
  }
  return absl::OkStatus();
}

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
