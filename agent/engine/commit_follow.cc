// The commit flow's part in edits that race with renames; see rename_follow.h. Here: a file was
// renamed here and edited elsewhere. The rename is committed with the edited content, which then
// arrives here like any other edit.

#include "agent/engine/commit_flow.h"
#include "agent/engine/commit_round.h"
#include "agent/engine/rename_follow.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kAskAgain = absl::Milliseconds(100);
// Each is lost to one more edit elsewhere, or to something that stands in the way.
constexpr int kMostAttempts = 5;

}  // namespace

// True when `situation` needs no decision now: the edit went on under the new name, or it is not
// known yet whether it is to. Its path is released then.
bool CommitFlow::FollowsRename(const Situation& situation) {
  const RelPath& path = situation.path;
  switch (context_->follower->Follow(situation)) {
    case RenameFollower::Answer::kFollows:
      gate_->Forget(path);
      incoming_->Forget(path);
      context_->Release(path);
      return true;
    case RenameFollower::Answer::kLater:
      context_->Release(path);
      context_->DirtyAfter(path, kAskAgain);
      return true;
    case RenameFollower::Answer::kNo:
      break;
  }
  if (!EditedElsewhere(situation)) return false;
  const bool quiet = !context_->scan_under_way() &&
                     context_->dirty.size() <= context_->follower->missing() + gate_->missing() +
                                                   context_->failures.size();
  if (!context_->follower->MayHaveMoved(path, quiet)) return false;
  context_->Release(path);
  context_->DirtyAfter(path, kAskAgain);
  return true;
}

// A file that is missing here and was edited in the folder; unless the edit waits for a person.
bool CommitFlow::EditedElsewhere(const Situation& situation) const {
  return ModeFor(*context_, situation) == Mode::kTwoWay && situation.absent() &&
         situation.base.has_value() && situation.base->entry.type == EntryType::kFile &&
         situation.remote.has_value() && situation.remote->type == EntryType::kFile &&
         !context_->held.WaitsAtOrAbove(situation.path, HeldRow::Direction::kIncoming) &&
         !context_->held.IsUndone(situation.path, HeldRow::Direction::kOutgoing);
}

// What was `from` is here now, not edited; when it was edited in the folder meanwhile, the round
// gets one item for both. False: it was not, or that was tried often enough.
bool CommitFlow::TakeEdit(Situation& situation, const BaseRow& from, Round& round) {
  const RelPath& old = from.entry.path;
  const bool stands_there = situation.remote.has_value() && situation.remote->IsLive();
  if (stands_there || round.paths.contains(old) || context_->in_flight.Contains(old) ||
      !situation.look.entry.fingerprint.SameButCtime(from.fingerprint)) {
    return false;
  }
  const absl::StatusOr<Situation> gone = Examine(*context_, old);
  if (!gone.ok() || !EditedElsewhere(*gone)) return false;
  if (++follow_attempts_[situation.path] > kMostAttempts) return false;
  Take(old, round);
  round.moved_to[old] = situation.path;
  round.moved_from[situation.path] = old;
  situation.follows = gone->remote;
  return true;
}

// The rename, with what the folder has under the old name by now.
void CommitFlow::AddFollowedEdit(const Situation& situation, Batch& batch) {
  PendingChange here;
  here.change.entry = *situation.follows;
  here.change.entry.path = situation.path;
  here.change.entry.version = 0;
  here.change.entry.moved_from = situation.follows->path;
  here.change.base_version = situation.BaseVersion();
  PendingChange gone;
  gone.change.entry.path = situation.follows->path;
  gone.change.entry.type = EntryType::kTombstone;
  gone.change.entry.moved_to = situation.path;
  gone.change.base_version = situation.follows->version;
  // Without fingerprints: the edit is not here yet.
  batch.changes.push_back(std::move(here));
  batch.changes.push_back(std::move(gone));
}

// The edit is committed at `entry.path`: what was agreed on at the old name is the base of the
// new one, against which it is then applied. Inside a transaction, before the old base goes.
absl::Status CommitFlow::TakeOverBase(const Entry& entry) {
  FS_ASSIGN_OR_RETURN(std::optional<BaseRow> row, context_->state->GetBase(entry.moved_from));
  if (!row.has_value()) return absl::OkStatus();
  row->entry.path = entry.path;
  context_->log->Info("{} was renamed here to {} and changed elsewhere: the change is fetched",
                      entry.moved_from.ForPeople(), entry.path.ForPeople());
  return context_->state->PutBase(*row);
}

}  // namespace filesync
