#include "agent/engine/local_attributes.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

// Takes what `remote` says of one part for what this side did not change.
template <typename Part, typename Same>
void TakePart(const Part& agreed, const Part& remote, Part& carried, Part& local, Same same) {
  if (remote == nullptr) return;
  const bool changed_here = carried != nullptr && (agreed == nullptr || !same(*agreed, *carried));
  if (changed_here) return;
  const bool stands_so = local != nullptr && carried != nullptr && same(*carried, *remote);
  carried = remote;
  if (!stands_so) local = nullptr;
}

}  // namespace

void CarryMetadata(const BaseRow* agreed, const Fingerprint& fingerprint, const LocalMetadata& now,
                   Entry& entry) {
  const bool same_kind = agreed != nullptr && agreed->entry.type == entry.type;
  if (!same_kind) {
    entry.attributes = now.attributes;
    return;
  }
  entry.attributes = CarryOver(agreed->entry.attributes, agreed->local.attributes, now.attributes);
  if (entry.type != EntryType::kSymlink && now.mode == agreed->LocalMode()) {
    entry.mode = agreed->entry.mode;
  }
  if (entry.type != EntryType::kDirectory && fingerprint.mtime_ns == agreed->fingerprint.mtime_ns) {
    entry.mtime_ns = agreed->entry.mtime_ns;
  }
}

void CarryFromRemote(const BaseRow* agreed, const Entry& remote, Entry& entry,
                     LocalMetadata& local) {
  if (!remote.IsLive() || remote.type != entry.type) return;
  const bool known = agreed != nullptr && agreed->entry.type == entry.type;
  const Attributes before = known ? agreed->entry.attributes : Attributes();
  TakePart(before.owner, remote.attributes.owner, entry.attributes.owner, local.attributes.owner,
           SameOwner);
  TakePart(before.xattrs, remote.attributes.xattrs, entry.attributes.xattrs,
           local.attributes.xattrs, [](const Xattrs& a, const Xattrs& b) { return a == b; });
}

bool AttributesToApply(const Attributes& here, const BaseRow& row) {
  const Attributes& agreed = row.entry.attributes;
  const Attributes& stood = row.local.attributes;
  return (here.owner != nullptr && stood.owner == nullptr && agreed.owner != nullptr) ||
         (here.xattrs != nullptr && stood.xattrs == nullptr && agreed.xattrs != nullptr);
}

absl::StatusOr<ApplyResult> ApplyAttributes(EngineContext& context, const RelPath& path,
                                            absl::StatusOr<ApplyResult> applied,
                                            const Attributes& wanted) {
  if (!applied.ok() || applied->kind != ApplyKind::kApplied) return applied;
  context.NoteLoss(path, applied->loss);
  if (!wanted.SaySomething() || !context.location->preserve().any()) return applied;
  FS_ASSIGN_OR_RETURN(const ApplyResult set,
                      context.location->SetAttributes(path, applied->fingerprint, wanted));
  if (set.kind == ApplyKind::kApplied) context.NoteLoss(path, set.loss);
  return set;
}

}  // namespace filesync
