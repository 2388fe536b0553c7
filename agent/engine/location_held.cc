// What a person says about what the brake holds.

#include "agent/engine/location_sync.h"
#include "libs/base/status.h"

namespace filesync {

void LocationSync::ConfirmHeld() {
  context_.mailbox.Post([this] {
    log_->Info("{}: {} deletions were confirmed", directory_->description(), gate_->held_entries());
    gate_->Confirm();
  });
}

void LocationSync::UndoHeld() {
  context_.mailbox.Post([this] {
    const uint64_t entries = gate_->held_entries();
    if (absl::Status restored = Restore(gate_->TakeHeld()); !restored.ok()) {
      // They are missing still, and will be held again.
      log_->Error("{}: cannot undo: {}", directory_->description(), Describe(restored));
      RequestFullScan();
      return;
    }
    log_->Info("{}: {} deletions were undone; fetching what was deleted here",
               directory_->description(), entries);
  });
}

// What the folder holds at and below `paths` counts as news from there. All of it or nothing: a
// part left over would be few enough to be passed on.
absl::Status LocationSync::Restore(const std::vector<RelPath>& paths) {
  State::Transaction transaction(state_.get());
  std::vector<RelPath> back = paths;
  for (const RelPath& path : paths) {
    FS_ASSIGN_OR_RETURN(const std::vector<BaseRow> rows, state_->BaseTree(path));
    for (const BaseRow& row : rows) {
      FS_ASSIGN_OR_RETURN(const std::optional<Entry> remote, state_->GetRemote(row.entry.path));
      if (!remote.has_value()) FS_RETURN_IF_ERROR(state_->PutRemote(row.entry));
      FS_RETURN_IF_ERROR(state_->DeleteBase(row.entry.path));
      back.push_back(row.entry.path);
    }
  }
  FS_RETURN_IF_ERROR(transaction.Commit());
  for (const RelPath& path : back) {
    context_.restoring.insert(path);
    context_.Dirty(path);
  }
  return absl::OkStatus();
}

}  // namespace filesync
