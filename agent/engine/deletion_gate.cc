#include "agent/engine/deletion_gate.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

using Direction = HeldRow::Direction;

// How long deletions wait for the other half of a move, and for more of them.
constexpr absl::Duration kQuietOutgoing = absl::Milliseconds(250);
constexpr absl::Duration kLongestOutgoing = absl::Seconds(10);
// As many as the brake would hold may be halves of moves: for these more patience.
constexpr absl::Duration kLongestBeforeHolding = absl::Seconds(120);
constexpr absl::Duration kJudgeOutgoingInterval = absl::Milliseconds(100);

}  // namespace

absl::Duration DeletionGate::AskAgainAfter() { return kQuietOutgoing; }

bool DeletionGate::Settled(absl::Time now) const {
  return now - last_seen_ >= kQuietOutgoing || now - first_seen_ >= kLongestOutgoing;
}

DeletionGate::Answer DeletionGate::AskDeletion(const RelPath& path, Winner winner) {
  return Ask(path, {Loss::kDeleted, winner});
}

DeletionGate::Answer DeletionGate::AskLost(const RelPath& path) {
  if (lost_.erase(path) > 0) return Answer::kGo;
  const absl::Time now = context_->clock->Now();
  if (seen_.try_emplace(path, Seen{.lost = true}).second) {
    last_seen_ = now;
    first_seen_ = std::min(first_seen_, now);
    return Answer::kLater;
  }
  const bool patient = now - first_seen_ < kLongestBeforeHolding;
  if (!Settled(now) || (patient && !quiet_())) return Answer::kLater;
  if (absl::Status root = context_->check_root_for_deletions(); !root.ok()) {
    context_->halt = root;
    return Answer::kLater;
  }
  // All of them: none waits for what becomes of the others.
  for (auto it = seen_.begin(); it != seen_.end();) {
    if (it->second.lost) {
      lost_.insert(it->first);
      it = seen_.erase(it);
    } else {
      ++it;
    }
  }
  if (seen_.empty()) first_seen_ = absl::InfiniteFuture();
  return lost_.erase(path) > 0 ? Answer::kGo : Answer::kLater;
}

DeletionGate::Answer DeletionGate::AskReplacement(const RelPath& path, Winner winner,
                                                  size_t at_hand) {
  const bool decided = context_->decided.contains(path);
  const bool few = winner == Winner::kNone &&
                   !context_->held.WaitsAtOrAbove(path, Direction::kOutgoing) &&
                   act_.Few(at_hand + seen_.size(), context_->clock->Now());
  // About this very one a person decided already.
  if (!few && !decided) return Ask(path, {Loss::kReplaced, winner});
  Forget(path);
  act_.Replaced(path, context_->clock->Now());
  return Answer::kGo;
}

DeletionGate::Answer DeletionGate::Ask(const RelPath& path, const Seen& asked) {
  if (allowed_.erase(path) > 0) return Answer::kGo;
  const HeldRow* row = context_->held.Find(path, Direction::kOutgoing);
  if (row != nullptr && row->verdict == HeldRow::Verdict::kConfirmed) return Answer::kGo;
  if (context_->held.WaitsAtOrAbove(path, Direction::kOutgoing)) return Answer::kHeld;
  const absl::Time now = context_->clock->Now();
  const bool agreed = asked.winner != Winner::kNone && context_->winner_agreed;
  if (!agreed) {
    if (seen_.try_emplace(path, asked).second) {
      if (asked.loss == Loss::kReplaced) ++replacements_seen_;
      act_.Gone(path);
      last_seen_ = now;
      first_seen_ = std::min(first_seen_, now);
      return Answer::kLater;
    }
    if (!Settled(now)) return Answer::kLater;
  }
  if (absl::Status root = context_->check_root_for_deletions(); !root.ok()) {
    context_->halt = root;
    return Answer::kLater;
  }
  if (agreed) return Answer::kGo;
  if (!Judge(now)) return Answer::kLater;
  return allowed_.erase(path) > 0 ? Answer::kGo : Answer::kHeld;
}

void DeletionGate::Step() {
  const absl::Time now = context_->clock->Now();
  if (replacements_seen_ == 0 || now - judged_ < kJudgeOutgoingInterval || !Settled(now)) return;
  if (absl::Status root = context_->check_root_for_deletions(); !root.ok()) {
    context_->halt = root;
    return;
  }
  Judge(now);
}

// Decides about all that were seen; false when it is too early.
bool DeletionGate::Judge(absl::Time now) {
  if (now - judged_ < kJudgeOutgoingInterval) return false;
  judged_ = now;
  std::vector<RelPath> gone;
  Act::Losses losses;
  bool must_ask = false;
  for (const auto& [path, seen] : seen_) {
    must_ask = must_ask || seen.winner != Winner::kNone;
    if (seen.loss == Loss::kDeleted) {
      gone.push_back(path);
    } else {
      ++losses.replaced;
    }
  }
  const absl::StatusOr<uint64_t> deletions = CountDeleted(gone);
  const absl::StatusOr<BaseCounts> base = context_->state->CountBase();
  const absl::StatusOr<uint64_t> remote = context_->state->CountRemote();
  if (!deletions.ok() || !base.ok() || !remote.ok()) return false;
  losses.deleted = *deletions;
  const uint64_t entries = base->entries + *remote;
  if (!must_ask && !act_.Holds(losses, entries, now)) {
    LetGo(now, losses.deleted);
  } else if (losses.deleted > 0 && !quiet_() && now - first_seen_ < kLongestBeforeHolding) {
    return false;
  } else if (absl::Status held = Hold(); !held.ok()) {
    context_->halt = Annotate(held, "cannot record what is held");
    return false;
  } else {
    act_.Kept(losses, now);
    context_->log->Warn(
        "{} of {} entries are gone here and {} are replaced; the folder does not follow until "
        "this is confirmed ('syncagent confirm') or undone ('syncagent undo')",
        losses.deleted, entries, losses.replaced);
  }
  seen_.clear();
  replacements_seen_ = 0;
  first_seen_ = absl::InfiniteFuture();
  return true;
}

void DeletionGate::LetGo(absl::Time now, uint64_t deletions) {
  act_.Deleted(deletions, now);
  for (const auto& [path, seen] : seen_) {
    allowed_[path] = seen.loss;
    if (seen.loss == Loss::kDeleted) continue;
    act_.Replaced(path, now);
    context_->Dirty(path);
  }
}

absl::Status DeletionGate::Hold() {
  State::Transaction transaction(context_->state);
  for (const auto& [path, seen] : seen_) {
    FS_RETURN_IF_ERROR(context_->held.Put({.path = path,
                                           .direction = Direction::kOutgoing,
                                           .loss = seen.loss,
                                           .winner = seen.winner}));
  }
  return transaction.Commit();
}

// A directory that is gone counts with all that was in it.
absl::StatusOr<uint64_t> DeletionGate::CountDeleted(const std::vector<RelPath>& paths) const {
  uint64_t entries = 0;
  const RelPath* counted = nullptr;
  for (const RelPath& path : paths) {
    if (counted != nullptr && path.IsAtOrBelow(*counted)) continue;
    counted = &path;
    FS_ASSIGN_OR_RETURN(const uint64_t below, context_->state->CountTree(path));
    entries += std::max<uint64_t>(below, 1);
  }
  return entries;
}

void DeletionGate::Forget(const RelPath& path) {
  Forget(path, Loss::kDeleted);
  Forget(path, Loss::kReplaced);
}

void DeletionGate::Forget(const RelPath& path, Loss loss) {
  if (loss == Loss::kDeleted) lost_.erase(path);
  if (const auto it = seen_.find(path); it != seen_.end() && it->second.loss == loss) {
    if (loss == Loss::kReplaced) --replacements_seen_;
    seen_.erase(it);
    if (seen_.empty()) first_seen_ = absl::InfiniteFuture();
  }
  if (const auto it = allowed_.find(path); it != allowed_.end() && it->second == loss) {
    allowed_.erase(it);
  }
  const HeldRow* row = context_->held.Find(path, Direction::kOutgoing);
  if (row == nullptr || row->loss != loss || row->verdict == HeldRow::Verdict::kUndone) return;
  if (absl::Status erased = context_->held.Erase(path); !erased.ok()) context_->halt = erased;
}

const HeldCounts& DeletionGate::held() {
  if (counted_at_ == context_->held.generation()) return held_;
  counted_at_ = context_->held.generation();
  held_ = HeldCounts();
  std::vector<RelPath> gone;
  for (const HeldRow& row : context_->held.Waiting(Direction::kOutgoing)) {
    if (row.winner != Winner::kNone) ++held_.for_winner;
    if (row.loss == Loss::kDeleted) {
      gone.push_back(row.path);
    } else {
      ++held_.replacements;
    }
  }
  held_.deletions = CountDeleted(gone).value_or(gone.size());
  return held_;
}

void DeletionGate::Recheck() {
  for (const HeldRow& row : context_->held.Waiting(Direction::kOutgoing)) {
    if (row.loss != Loss::kDeleted) continue;
    const bool gone = context_->location->LookAt(row.path).presence == Look::Presence::kAbsent;
    if (!gone) context_->Dirty(row.path);
  }
}

}  // namespace filesync
