#include "agent/engine/deletion_gate.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

// How long deletions wait for the other half of a move, and for more of them.
constexpr absl::Duration kQuiet = absl::Milliseconds(250);
constexpr absl::Duration kLongest = absl::Seconds(10);
// As many as the brake would hold may be halves of moves: for these more patience.
constexpr absl::Duration kLongestBeforeHolding = absl::Seconds(120);
// Deletions that follow one another within this time are judged together.
constexpr absl::Duration kOneAct = absl::Minutes(5);
constexpr absl::Duration kJudgeInterval = absl::Milliseconds(100);

}  // namespace

absl::Duration DeletionGate::AskAgainAfter() { return kQuiet; }

bool DeletionGate::Settled(absl::Time now) const {
  return now - last_seen_ >= kQuiet || now - first_seen_ >= kLongest;
}

DeletionGate::Answer DeletionGate::Ask(const RelPath& path) {
  if (allowed_.erase(path) > 0) return Answer::kGo;
  if (HeldAtOrAbove(path)) return Answer::kHeld;
  const absl::Time now = context_->clock->Now();
  if (seen_.insert(path).second) {
    last_seen_ = now;
    first_seen_ = std::min(first_seen_, now);
    return Answer::kLater;
  }
  if (!Settled(now)) return Answer::kLater;
  if (absl::Status root = context_->check_root_for_deletions(); !root.ok()) {
    context_->halt = root;
    return Answer::kLater;
  }
  if (!Judge(now)) return Answer::kLater;
  return allowed_.erase(path) > 0 ? Answer::kGo : Answer::kHeld;
}

// Decides about all that were seen; false when it is too early.
bool DeletionGate::Judge(absl::Time now) {
  if (now - judged_ < kJudgeInterval) return false;
  judged_ = now;
  const absl::StatusOr<uint64_t> deletions = Count(seen_);
  const absl::StatusOr<BaseCounts> base = context_->state->CountBase();
  const absl::StatusOr<uint64_t> remote = context_->state->CountRemote();
  if (!deletions.ok() || !base.ok() || !remote.ok()) return false;
  const uint64_t entries = base->entries + *remote;
  if (now - let_go_at_ > kOneAct) {
    let_go_ = 0;
    peak_ = 0;
  }
  peak_ = std::max(peak_, entries);
  // What is deleted slowly is one act too; what was made again meanwhile does not count.
  const uint64_t shrunk = peak_ - std::min(peak_, entries - std::min(entries, *deletions));
  if (!limit_.Holds(std::min(let_go_ + *deletions, shrunk), peak_)) {
    let_go_ += *deletions;
    let_go_at_ = now;
    allowed_.merge(seen_);
  } else if (!quiet_() && now - first_seen_ < kLongestBeforeHolding) {
    return false;
  } else {
    held_.merge(seen_);
    held_entries_.reset();
    context_->log->Warn(
        "{} of {} entries are gone here; they are deleted nowhere else until this is confirmed "
        "('syncagent confirm') or undone ('syncagent undo')",
        *deletions, entries);
  }
  seen_.clear();
  first_seen_ = absl::InfiniteFuture();
  return true;
}

// A directory that is gone counts with all that was in it.
absl::StatusOr<uint64_t> DeletionGate::Count(const std::set<RelPath>& paths) const {
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

bool DeletionGate::HeldAtOrAbove(const RelPath& path) const {
  if (held_.empty()) return false;
  for (RelPath at = path; !at.IsRoot(); at = at.Parent()) {
    if (held_.contains(at)) return true;
  }
  return false;
}

void DeletionGate::Forget(const RelPath& path) {
  seen_.erase(path);
  allowed_.erase(path);
  if (held_.erase(path) > 0) held_entries_.reset();
}

uint64_t DeletionGate::held_entries() {
  if (held_.empty()) return 0;
  if (!held_entries_.has_value()) held_entries_ = Count(held_).value_or(held_.size());
  return *held_entries_;
}

void DeletionGate::Recheck() {
  for (const RelPath& path : held_) {
    const bool gone = context_->location->LookAt(path).presence == Look::Presence::kAbsent;
    if (!gone) context_->Dirty(path);
  }
}

void DeletionGate::Confirm() {
  for (const RelPath& path : held_) context_->Dirty(path);
  allowed_.merge(held_);
  held_.clear();
  let_go_at_ = absl::InfinitePast();
}

std::vector<RelPath> DeletionGate::TakeHeld() {
  const std::set<RelPath> held = std::exchange(held_, {});
  return {held.begin(), held.end()};
}

}  // namespace filesync
