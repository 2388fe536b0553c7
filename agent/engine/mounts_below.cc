#include "agent/engine/mounts_below.h"

#include <optional>

#include "libs/base/status.h"

namespace filesync {

absl::Status ProveSameFileSystem(const EngineContext& context, const RelPath& directory) {
  std::optional<uint64_t> missing;  // the device of the topmost that is missing
  for (RelPath above = directory;; above = above.Parent()) {
    const Look look = context.location->LookAt(above);
    if (look.presence == Look::Presence::kUnknown) return look.why;
    const bool absent = look.presence == Look::Presence::kAbsent;
    if (above.IsRoot() && absent) return absl::OkStatus();
    if (!absent && look.entry.type != LocalType::kDirectory) return absl::OkStatus();
    FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, context.state->GetBase(above));
    const bool known = base.has_value() && base->entry.type == EntryType::kDirectory;
    if (absent) {
      if (known) missing = base->fingerprint.device;
      continue;
    }
    const uint64_t device = look.entry.fingerprint.device;
    if ((known && base->fingerprint.device != device) || missing.value_or(device) != device) {
      return FailedPrecondition(
          "another file system is mounted here, or a mount that was here is gone ({})",
          above.ForPeople());
    }
    return absl::OkStatus();
  }
}

absl::Status ProveItIsSo(const EngineContext& context, const Situation& situation) {
  if (!situation.base.has_value()) return absl::OkStatus();
  // A directory that is missing may be where something was mounted.
  const bool was_directory = situation.base->entry.type == EntryType::kDirectory;
  if (situation.is_directory() || (situation.absent() && was_directory)) {
    return ProveSameFileSystem(context, situation.path);
  }
  if (!situation.absent()) return absl::OkStatus();
  return ProveSameFileSystem(context, situation.path.Parent());
}

}  // namespace filesync
