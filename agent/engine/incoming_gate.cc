#include "agent/engine/incoming_gate.h"

#include <algorithm>

#include "libs/base/status.h"

namespace filesync {
namespace {

using Direction = HeldRow::Direction;

// How long losses wait for more of them: longer than those who pass them on wait between theirs.
constexpr absl::Duration kQuietIncoming = absl::Milliseconds(750);
// The same while other things keep coming, and while losses do.
constexpr absl::Duration kLongWhileReceiving = absl::Seconds(10);
constexpr absl::Duration kLongestIncoming = absl::Seconds(60);
constexpr absl::Duration kJudgeIncomingInterval = absl::Milliseconds(100);
constexpr absl::Duration kCountEntriesInterval = absl::Seconds(1);

}  // namespace

bool IncomingGate::Few(size_t more) {
  if (act_.off()) return true;
  const absl::Time now = context_->clock->Now();
  if (more > 0 && now - entries_counted_ >= kCountEntriesInterval) {
    const absl::StatusOr<BaseCounts> base = context_->state->CountBase();
    if (!base.ok()) return false;
    act_.Saw(base->entries, now);
    entries_counted_ = now;
  }
  return act_.Few(more + seen_.size(), now);
}

void IncomingGate::Went(const RelPath& path, Loss loss) {
  if (loss == Loss::kDeleted) {
    act_.Gone(path);
    act_.Deleted(1, context_->clock->Now());
  } else {
    act_.Replaced(path, context_->clock->Now());
  }
}

std::optional<HeldRow::Loss> IncomingGate::LossOf(const Situation& situation, const Action& action,
                                                  Winner winner) {
  if (!situation.present()) return std::nullopt;
  if (action.kind == Action::Kind::kDeleteLocal) return Loss::kDeleted;
  if (action.kind != Action::Kind::kDownload || situation.is_directory()) return std::nullopt;
  // Where the other side decides about everything, it need not have changed.
  if (!situation.remote.has_value() && winner == Winner::kNone) return std::nullopt;
  const Entry there = situation.remote.value_or(SourceOfMirror(situation));
  if (!there.IsLive()) return std::nullopt;
  const Entry local = situation.LocalEntryNow();
  if (local.type != there.type) return Loss::kReplaced;
  const bool unasked = winner == Winner::kNone || EqualContent(local, there);
  return unasked ? std::nullopt : std::optional<Loss>(Loss::kReplaced);
}

bool IncomingGate::Holds(const RelPath& path, uint64_t version) const {
  const HeldRow* row = context_->held.Find(path, Direction::kIncoming);
  return row != nullptr && row->version == version && row->verdict == HeldRow::Verdict::kNone;
}

bool IncomingGate::MayApply(const RelPath& path, uint64_t version, Loss loss, Winner winner) {
  if (act_.off() && winner == Winner::kNone) return true;
  // About this very one a person decided already.
  const auto passed = passed_.find(path);
  if (passed != passed_.end() && passed->second == version) return true;
  if (context_->decided.contains(path)) return true;
  const HeldRow* row = context_->held.Find(path, Direction::kIncoming);
  if (row != nullptr && row->version == version && row->verdict == HeldRow::Verdict::kNone)
    return false;
  const bool confirmed =
      row != nullptr && row->version == version && row->verdict == HeldRow::Verdict::kConfirmed;
  if (confirmed || (winner != Winner::kNone && context_->winner_agreed)) {
    if (loss == Loss::kReplaced) return true;
    // Deletions go in their order.
    allowed_[path] = version;
    return false;
  }
  if (allowed_.contains(path)) return false;
  const absl::Time now = context_->clock->Now();
  if (seen_.insert_or_assign(path, Seen{loss, winner, version}).second) {
    last_seen_ = now;
    first_seen_ = std::min(first_seen_, now);
  }
  return false;
}

void IncomingGate::Forget(const RelPath& path) {
  seen_.erase(path);
  if (seen_.empty()) first_seen_ = absl::InfiniteFuture();
  allowed_.erase(path);
  passed_.erase(path);
  const HeldRow* row = context_->held.Find(path, Direction::kIncoming);
  if (row == nullptr) return;
  if (absl::Status erased = context_->held.Erase(path); !erased.ok()) context_->halt = erased;
}

bool IncomingGate::Settled(absl::Time now) const {
  const absl::Duration waited = now - first_seen_;
  if (waited >= kLongestIncoming) return true;
  if (now - last_seen_ < kQuietIncoming) return false;
  return !receiving_() || waited >= kLongWhileReceiving;
}

void IncomingGate::Step() {
  const absl::Time now = context_->clock->Now();
  if (seen_.empty() || now - judged_ < kJudgeIncomingInterval || !Settled(now)) return;
  judged_ = now;
  Judge(now);
}

void IncomingGate::Judge(absl::Time now) {
  const absl::StatusOr<BaseCounts> base = context_->state->CountBase();
  if (!base.ok()) return;
  Act::Losses losses;
  uint64_t entries = base->entries;
  bool must_ask = false;
  for (const auto& [path, seen] : seen_) {
    must_ask = must_ask || seen.winner != Winner::kNone;
    ++(seen.loss == Loss::kDeleted ? losses.deleted : losses.replaced);
    if (seen.loss == Loss::kDeleted) act_.Gone(path);
    // What a mirror discards because the other side never had it.
    if (seen.version == 0) ++entries;
  }
  if (must_ask || act_.Holds(losses, entries, now)) {
    if (absl::Status held = Hold(); !held.ok()) {
      context_->halt = Annotate(held, "cannot record what is held");
      return;
    }
    act_.Kept(losses, now);
    context_->log->Warn(
        "what came from the folder would delete {} of {} entries here and replace {}; they stay "
        "as they are until this is confirmed ('syncagent confirm') or undone ('syncagent undo')",
        losses.deleted, entries, losses.replaced);
  } else {
    act_.Deleted(losses.deleted, now);
    for (const auto& [path, seen] : seen_) {
      allowed_[path] = seen.version;
      if (seen.loss == Loss::kReplaced) act_.Replaced(path, now);
    }
  }
  seen_.clear();
  first_seen_ = absl::InfiniteFuture();
}

absl::Status IncomingGate::Hold() {
  State::Transaction transaction(context_->state);
  for (const auto& [path, seen] : seen_) {
    FS_RETURN_IF_ERROR(context_->held.Put({.path = path,
                                           .direction = Direction::kIncoming,
                                           .loss = seen.loss,
                                           .winner = seen.winner,
                                           .version = seen.version}));
  }
  return transaction.Commit();
}

bool IncomingGate::HasBelow(const RelPath& directory) const {
  const auto next = allowed_.upper_bound(directory);
  return next != allowed_.end() && next->first.IsAtOrBelow(directory);
}

std::vector<RelPath> IncomingGate::TakeAllowed(size_t limit) {
  std::vector<RelPath> taken;
  while (!allowed_.empty() && taken.size() < limit) {
    const auto last = std::prev(allowed_.end());
    passed_[last->first] = last->second;
    taken.push_back(last->first);
    allowed_.erase(last);
  }
  return taken;
}

const HeldCounts& IncomingGate::held() {
  if (counted_at_ == context_->held.generation()) return held_;
  counted_at_ = context_->held.generation();
  held_ = HeldCounts();
  for (const HeldRow& row : context_->held.Waiting(Direction::kIncoming)) {
    ++(row.loss == Loss::kDeleted ? held_.deletions : held_.replacements);
    if (row.winner != Winner::kNone) ++held_.for_winner;
  }
  return held_;
}

}  // namespace filesync
