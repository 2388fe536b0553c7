// What the apply flow does with a slice before anything is planned.

#include <algorithm>

#include "agent/engine/apply_flow.h"
#include "libs/base/status.h"

namespace filesync {

// Without what is ignored here: a rename to or from there is the other half's coming or going.
std::vector<Entry> ApplyFlow::Visible(const std::vector<Entry>& entries) {
  std::vector<Entry> visible;
  if (std::none_of(entries.begin(), entries.end(), [](const Entry& entry) {
        return !entry.moved_from.IsRoot() || !entry.moved_to.IsRoot();
      })) {
    return visible;
  }
  for (const Entry& entry : entries) {
    if (!context_->filters->Ignores(entry.path, entry.type == EntryType::kDirectory)) {
      visible.push_back(entry);
    }
  }
  return visible;
}

absl::Status ApplyFlow::Stash(const RemoteSlice& slice) {
  State::Transaction transaction(context_->state);
  for (const Entry& entry : slice.entries) {
    FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, context_->state->GetBase(entry.path));
    if (base.has_value() && base->entry.version >= entry.version) continue;
    FS_RETURN_IF_ERROR(context_->state->PutRemote(entry));
    context_->Dirty(entry.path);
  }
  FS_RETURN_IF_ERROR(context_->state->SetCursor(slice.through));
  return transaction.Commit();
}

}  // namespace filesync
