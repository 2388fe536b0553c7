// The engine's dealings with a person: what is held is confirmed or undone, and one side is told
// to win over the other.

#include <algorithm>

#include "agent/engine/location_sync.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// After so many attempts to find a file unwritten, some seconds have gone by.
constexpr int kUnsteadyForLong = 6;

}  // namespace

void LocationSync::ConfirmHeld() {
  context_.mailbox.Post([this] { Carry("confirmed", context_.held.ConfirmAll()); });
}

void LocationSync::AgreeToLosses() {
  context_.mailbox.Post([this] {
    context_.winner_agreed = true;
    Carry("agreed to", context_.held.ConfirmAll());
  });
}

void LocationSync::UndoHeld() {
  context_.mailbox.Post([this] { Carry("undone", context_.held.UndoAll()); });
}

// Looks again at what a person decided about.
void LocationSync::Carry(std::string_view decision, absl::StatusOr<std::vector<RelPath>> paths) {
  if (!paths.ok()) {
    context_.halt = Annotate(paths.status(), "cannot record a decision");
    return;
  }
  log_->Info("{}: {}: {} paths that were held", directory_->description(), decision, paths->size());
  for (const RelPath& path : *paths) context_.Dirty(path);
  gate_->End();
  incoming_->End();
  PublishStatus();
}

// With the brake off, nothing waits for it. A winner's losses do.
absl::Status LocationSync::ReleaseHeldByBrake() {
  State::Transaction transaction(state_.get());
  const std::map<RelPath, HeldRow> rows = context_.held.all();
  for (const auto& [path, row] : rows) {
    if (row.winner != Winner::kNone || row.verdict != HeldRow::Verdict::kNone) continue;
    if (!path.IsAtOrBelow(options_.only.value_or(RelPath()))) continue;
    FS_RETURN_IF_ERROR(context_.held.Erase(path));
    context_.Dirty(path);
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
  for (const auto& [path, row] : context_.held.all()) unsettled = unsettled || Reopens(row);
  if (options_.first_sync == Winner::kNone || (!first && !unsettled)) return absl::OkStatus();
  context_.winner = options_.first_sync;
  return ReopenFirstSync();
}

// It was held for a winner, and nobody agreed to this one's winning.
bool LocationSync::Reopens(const HeldRow& row) const {
  const bool agreed = row.verdict == HeldRow::Verdict::kConfirmed;
  return row.winner != Winner::kNone && !(agreed && row.winner == options_.first_sync);
}

// What a first sync held before is looked at again, for whoever is to win now.
absl::Status LocationSync::ReopenFirstSync() {
  State::Transaction transaction(state_.get());
  FS_RETURN_IF_ERROR(state_->SetMeta(kFirstSyncKey, kFirstSyncOpen));
  const std::map<RelPath, HeldRow> rows = context_.held.all();
  for (const auto& [path, row] : rows) {
    if (!Reopens(row)) continue;
    FS_RETURN_IF_ERROR(context_.held.Erase(path));
    context_.Dirty(path);
  }
  return transaction.Commit();
}

// One side has won when all that differed was decided; what comes later is ordinary work.
void LocationSync::MaybeEndWinner() {
  if (context_.winner == Winner::kNone || !context_.welcome.has_value()) return;
  // What is being written all the time is merged afterwards: else all that is made here meanwhile
  // would count as what the other side never had.
  const auto endless =
      std::count_if(context_.unsteady.begin(), context_.unsteady.end(),
                    [](const auto& path) { return path.second >= kUnsteadyForLong; });
  if (!Settled(static_cast<size_t>(endless))) return;
  if (gate_->waiting() > 0 || incoming_->Busy() || options_.only.has_value()) return;
  if (absl::Status kept = state_->SetMeta(kFirstSyncKey, kFirstSyncDone); !kept.ok()) {
    context_.halt = kept;
    return;
  }
  context_.winner = Winner::kNone;
  context_.winner_all = false;
  context_.unsteady.clear();
}

// What is damaged shows in the first scan, and is dealt with by now.
void LocationSync::MaybeEndSuspicion() {
  if (!context_.suspects_damage || !context_.welcome.has_value() || !Settled(0)) return;
  context_.suspects_damage = false;
  if (absl::Status noted = host_stops_.Checked(); !noted.ok()) context_.halt = noted;
}

// An agent that looks at a part is done with what waits elsewhere.
bool LocationSync::SomethingHeld() const {
  if (!options_.only.has_value()) return gate_->held().total() + incoming_->held().total() > 0;
  const RelPath& part = *options_.only;
  for (const auto direction : {HeldRow::Direction::kOutgoing, HeldRow::Direction::kIncoming}) {
    if (context_.held.WaitsAtOrAbove(part, direction)) return true;
    if (options_.with_subtree && context_.held.WaitsBelow(part, direction)) return true;
  }
  return false;
}

bool LocationSync::Receiving() const {
  const absl::StatusOr<Cursor> cursor = state_->GetCursor();
  return !apply_->Idle() || !cursor.ok() || cursor->version < context_.head_version;
}

// Everything known was decided, but for what failed and waits for another try, and as many more.
bool LocationSync::Settled(size_t undecided) const {
  return !context_.scan_under_way() && hold_local_until_ == 0 && !Receiving() && commit_->Idle() &&
         context_.in_flight.size() == 0 &&
         context_.dirty.size() <= context_.failures.size() + undecided;
}

}  // namespace filesync
