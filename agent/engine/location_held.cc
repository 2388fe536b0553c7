// The engine's dealings with a person: what is held is confirmed or undone, and one side is told
// to win over the other.

#include "agent/engine/location_sync.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

using Direction = HeldRow::Direction;

}  // namespace

void LocationSync::ConfirmHeld() {
  context_.mailbox.Post([this] {
    log_->Info("{}: confirmed: {} deletions and {} replaced files here, {} and {} from the folder",
               directory_->description(), gate_->held().deletions, gate_->held().replacements,
               incoming_->held().deletions, incoming_->held().replacements);
    if (absl::Status confirmed = Confirm(); !confirmed.ok()) {
      context_.halt = Annotate(confirmed, "cannot record what was confirmed");
    }
    PublishStatus();
  });
}

absl::Status LocationSync::Confirm() {
  FS_RETURN_IF_ERROR(gate_->Confirm());
  return incoming_->Confirm();
}

void LocationSync::UndoHeld() {
  context_.mailbox.Post([this] {
    log_->Info("{}: undone: {} deletions and {} replaced files here, {} and {} from the folder",
               directory_->description(), gate_->held().deletions, gate_->held().replacements,
               incoming_->held().deletions, incoming_->held().replacements);
    if (absl::Status undone = Undo(); !undone.ok()) {
      context_.halt = Annotate(undone, "cannot record what was undone");
    }
    PublishStatus();
  });
}

// All of it or nothing: a part left over would be few enough to be passed on.
absl::Status LocationSync::Undo() {
  {
    State::Transaction transaction(state_.get());
    for (const HeldRow& held : context_.held.Waiting(Direction::kOutgoing)) {
      FS_RETURN_IF_ERROR(Restore(held));
    }
    FS_RETURN_IF_ERROR(transaction.Commit());
  }
  gate_->End();
  return incoming_->Undo();
}

// What the folder holds at and below the path counts as news from there. Inside a transaction.
absl::Status LocationSync::Restore(const HeldRow& held) {
  if (held.winner != Winner::kNone) {
    // Nobody wins: both sides are merged.
    context_.Dirty(held.path);
    return context_.held.Erase(held.path);
  }
  HeldRow undone = held;
  undone.verdict = HeldRow::Verdict::kUndone;
  FS_RETURN_IF_ERROR(context_.held.Put(undone));
  context_.Dirty(held.path);
  FS_ASSIGN_OR_RETURN(const std::vector<BaseRow> rows, state_->BaseTree(held.path));
  for (const BaseRow& row : rows) {
    FS_ASSIGN_OR_RETURN(const std::optional<Entry> remote, state_->GetRemote(row.entry.path));
    if (!remote.has_value()) FS_RETURN_IF_ERROR(state_->PutRemote(row.entry));
    FS_RETURN_IF_ERROR(state_->DeleteBase(row.entry.path));
    undone.path = row.entry.path;
    FS_RETURN_IF_ERROR(context_.held.Put(undone));
    context_.Dirty(row.entry.path);
  }
  return absl::OkStatus();
}

// With the brake off, nothing waits for it. A winner's losses do.
absl::Status LocationSync::ReleaseHeldByBrake() {
  State::Transaction transaction(state_.get());
  const std::map<RelPath, HeldRow> rows = context_.held.all();
  for (const auto& [path, row] : rows) {
    if (row.winner != Winner::kNone || row.verdict != HeldRow::Verdict::kNone) continue;
    FS_RETURN_IF_ERROR(context_.held.Erase(path));
  }
  return transaction.Commit();
}

// Who is to win is asked of the first sync alone: where there is a cursor, or there was one that
// had to be given up, both sides are merged.
absl::Status LocationSync::BeginWinner() {
  if (options_.max_delete.off()) FS_RETURN_IF_ERROR(ReleaseHeldByBrake());
  FS_ASSIGN_OR_RETURN(const auto stage, state_->GetMeta(kFirstSyncKey));
  if (options_.force != Winner::kNone) {
    context_.winner = options_.force;
    context_.winner_all = true;
    FS_RETURN_IF_ERROR(state_->SetMeta(kFirstSyncKey, kFirstSyncDone));
    FS_RETURN_IF_ERROR(context_.held.Clear());
    // All that the folder holds is compared, not only its news.
    return state_->SetCursor(Cursor());
  }
  FS_ASSIGN_OR_RETURN(const Cursor cursor, state_->GetCursor());
  const bool first = !stage.has_value() && cursor.incarnation.empty();
  bool unsettled = stage.value_or("") == kFirstSyncOpen;
  for (const auto& [path, row] : context_.held.all()) {
    unsettled = unsettled || row.winner != Winner::kNone;
  }
  if (options_.first_sync == Winner::kNone || (!first && !unsettled)) return absl::OkStatus();
  context_.winner = options_.first_sync;
  return ReopenFirstSync();
}

// What a first sync held before is looked at again, for whoever is to win now.
absl::Status LocationSync::ReopenFirstSync() {
  State::Transaction transaction(state_.get());
  FS_RETURN_IF_ERROR(state_->SetMeta(kFirstSyncKey, kFirstSyncOpen));
  const std::map<RelPath, HeldRow> rows = context_.held.all();
  for (const auto& [path, row] : rows) {
    if (row.winner == Winner::kNone) continue;
    FS_RETURN_IF_ERROR(context_.held.Erase(path));
    context_.Dirty(path);
  }
  return transaction.Commit();
}

// One side has won when all that differed was decided; what comes later is ordinary work.
void LocationSync::MaybeEndWinner() {
  if (context_.winner == Winner::kNone || !context_.welcome.has_value() || !Settled()) return;
  if (gate_->waiting() > 0 || incoming_->Busy()) return;
  if (absl::Status kept = state_->SetMeta(kFirstSyncKey, kFirstSyncDone); !kept.ok()) {
    context_.halt = kept;
    return;
  }
  context_.winner = Winner::kNone;
  context_.winner_all = false;
}

bool LocationSync::Receiving() const {
  const absl::StatusOr<Cursor> cursor = state_->GetCursor();
  return !apply_->Idle() || !cursor.ok() || cursor->version < context_.head_version;
}

// Everything known was decided, but for what failed and waits for another try.
bool LocationSync::Settled() const {
  return scanned_ && (observer_ == nullptr || !observer_->Scanning()) && hold_local_until_ == 0 &&
         !Receiving() && commit_->Idle() && context_.in_flight.size() == 0 &&
         context_.dirty.size() <= context_.failures.size();
}

}  // namespace filesync
