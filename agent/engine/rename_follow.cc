#include "agent/engine/rename_follow.h"

#include "agent/engine/mounts_below.h"

#include <algorithm>

#include "libs/base/status.h"

namespace filesync {
namespace {

// Renames of renames that are followed; also ends a circle.
constexpr int kLongestChain = 64;
// Of the renames that were heard of, so many are remembered.
constexpr size_t kMostRenamesRemembered = 100'000;
// How long what stands in the way may take to be applied.
constexpr absl::Duration kApplyWithin = absl::Seconds(5);
// How long an edited file that is missing here is waited for under another name.
constexpr absl::Duration kQuietRename = absl::Milliseconds(300);
constexpr absl::Duration kLongestRename = absl::Seconds(30);

bool IsEditOfFile(const Situation& situation) {
  return situation.base.has_value() && situation.base->entry.type == EntryType::kFile &&
         situation.is_file() && !situation.LocalUnchanged();
}

}  // namespace

absl::Status RecordFollowed(State& state, const BaseRow& row, const Entry& target) {
  BaseRow now = row;
  now.entry.path = target.path;
  FS_RETURN_IF_ERROR(state.PutBase(now));
  FS_RETURN_IF_ERROR(state.PutRemote(target));
  return state.DeleteBase(row.entry.path);
}

void RenameFollower::Remember(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (entry.IsLive()) {
      moved_.erase(entry.path);
    } else if (!entry.moved_to.IsRoot()) {
      if (moved_.size() >= kMostRenamesRemembered) moved_.clear();
      moved_[entry.path] = {entry.moved_to, entry.version};
    }
  }
}

RenameFollower::Answer RenameFollower::Follow(const Situation& situation) {
  const bool moved_there = situation.remote.has_value() && !situation.remote->IsLive() &&
                           !situation.remote->moved_to.IsRoot();
  if (!moved_there || ModeFor(*context_, situation) != Mode::kTwoWay || !IsEditOfFile(situation)) {
    waits_.erase(situation.path);
    return Answer::kNo;
  }
  const absl::StatusOr<Cursor> cursor = context_->state->GetCursor();
  if (!cursor.ok()) return Answer::kNo;
  const absl::Time now = context_->clock->Now();
  // What the new name holds by now may come much later than the tombstone.
  const Wait& wait =
      waits_
          .try_emplace(situation.path,
                       Wait{std::max(context_->head_version, situation.remote->version), now})
          .first->second;
  if (cursor->version < wait.needed) return Answer::kLater;
  const absl::StatusOr<std::optional<Target>> target = FindTarget(*situation.remote);
  Answer answer = Answer::kNo;
  if (target.ok() && target->has_value()) {
    const RelPath& path = (*target)->entry.path;
    if (context_->in_flight.Contains(path)) return Answer::kLater;
    (void)context_->in_flight.Claim(path);
    const absl::StatusOr<Answer> moved = Move(situation, **target);
    context_->Release(path);
    if (moved.ok()) {
      if (*moved == Answer::kLater && now - wait.since < kApplyWithin) return Answer::kLater;
      answer = *moved == Answer::kFollows ? Answer::kFollows : Answer::kNo;
    } else {
      context_->log->Warn("{} does not follow its rename to {}: {}", situation.path.ForPeople(),
                          path.ForPeople(), Describe(moved.status()));
    }
  }
  waits_.erase(situation.path);
  stays_.erase(situation.path);
  if (answer == Answer::kNo) stays_[situation.path] = situation.remote->version;
  return answer;
}

absl::StatusOr<std::optional<RenameFollower::Target>> RenameFollower::FindTarget(
    const Entry& tombstone) const {
  RelPath path = tombstone.moved_to;
  for (int length = 0; length < kLongestChain; ++length) {
    FS_ASSIGN_OR_RETURN(std::optional<Entry> remote, context_->state->GetRemote(path));
    FS_ASSIGN_OR_RETURN(std::optional<BaseRow> base, context_->state->GetBase(path));
    const bool applied = !remote.has_value() && base.has_value();
    if (applied) remote = base->entry;
    if (remote.has_value() && remote->IsLive()) {
      if (remote->type != EntryType::kFile) return std::nullopt;
      return Target{*std::move(remote), applied};
    }
    RelPath next = remote.has_value() ? remote->moved_to : RelPath();
    if (const auto known = moved_.find(path); next.IsRoot() && known != moved_.end()) {
      next = known->second.to;
    }
    if (next.IsRoot()) return std::nullopt;
    path = next;
  }
  return std::nullopt;
}

absl::StatusOr<RenameFollower::Answer> RenameFollower::Move(const Situation& situation,
                                                            const Target& target) {
  Location& location = *context_->location;
  const RelPath& to = target.entry.path;
  FS_ASSIGN_OR_RETURN(const Situation there, Examine(*context_, to));
  const Fingerprint& fingerprint = situation.look.entry.fingerprint;
  absl::StatusOr<ApplyResult> moved;
  if (there.absent() && !target.applied && !there.base.has_value()) {
    const Look parent = location.LookAt(to.Parent());
    const bool has_parent = to.Parent().IsRoot() || (parent.presence == Look::Presence::kPresent &&
                                                     parent.entry.type == LocalType::kDirectory);
    // It is made when what is in it is applied, which is at hand.
    if (!has_parent) return Answer::kLater;
    FS_RETURN_IF_ERROR(ProveSameFileSystem(*context_, to.Parent()));
    moved = location.Move(situation.path, fingerprint, to);
  } else if (there.is_file() && there.LocalUnchanged() && target.applied) {
    moved = location.MoveOver(situation.path, fingerprint, to, there.look.entry.fingerprint);
  } else if (there.remote.has_value() && there.LocalUnchanged()) {
    // Something newer is about to be applied there.
    return Answer::kLater;
  } else {
    // What is there was changed or deleted here: the edit stays where it is.
    return Answer::kNo;
  }
  FS_RETURN_IF_ERROR(moved.status());
  if (moved->kind != ApplyKind::kApplied) return Answer::kLater;
  const RelPath directories[] = {situation.path.Parent(), to.Parent()};
  FS_RETURN_IF_ERROR(location.SyncDirectories(directories));
  {
    State::Transaction transaction(context_->state);
    FS_RETURN_IF_ERROR(RecordFollowed(*context_->state, *situation.base, target.entry));
    FS_RETURN_IF_ERROR(
        context_->state->DeleteRemoteUpTo(situation.path, situation.remote->version));
    FS_RETURN_IF_ERROR(transaction.Commit());
  }
  context_->ClearFailure(situation.path);
  context_->Dirty(situation.path);
  context_->Dirty(to);
  context_->log->Info("{} was changed here and renamed elsewhere: the change is now at {}",
                      situation.path.ForPeople(), to.ForPeople());
  context_->Emit({.kind = SyncEvent::Kind::kMovedHere,
                  .path = situation.path,
                  .to = to,
                  .why = "changed here, renamed there"});
  return Answer::kFollows;
}

bool RenameFollower::MayBecomeEmpty(const RelPath& directory) const {
  const absl::StatusOr<std::vector<BaseRow>> rows = context_->state->BaseTree(directory);
  if (!rows.ok()) return false;
  return std::any_of(rows->begin(), rows->end(), [&](const BaseRow& row) {
    const RelPath& path = row.entry.path;
    if (path == directory || context_->failures.all().contains(path)) return false;
    const absl::StatusOr<std::optional<Entry>> remote = context_->state->GetRemote(path);
    if (!remote.ok() || !remote->has_value() || (*remote)->moved_to.IsRoot()) return false;
    const auto stays = stays_.find(path);
    return stays == stays_.end() || stays->second != (*remote)->version;
  });
}

bool RenameFollower::MayHaveMoved(const RelPath& path, bool quiet) {
  const absl::Time now = context_->clock->Now();
  const absl::Duration waited = now - missing_.try_emplace(path, now).first->second;
  if (waited < kQuietRename || (!quiet && waited < kLongestRename)) return true;
  missing_.erase(path);
  return false;
}

}  // namespace filesync
