// The commit flow before the brake: what has to pass a gate, and what may go on from there.

#include <algorithm>
#include <utility>

#include "agent/engine/commit_flow.h"
#include "agent/engine/commit_round.h"
#include "libs/base/status.h"
#include "libs/reconcile/act.h"

namespace filesync {
namespace {

using Loss = HeldRow::Loss;

constexpr size_t kAllowedPerStep = 1000;

// What stands here would take the place of something there that it has nothing to do with.
bool ReplacesThere(const Situation& situation, Winner winner) {
  if (!situation.present()) return false;
  if (winner != Winner::kNone && situation.remote.has_value()) {
    return situation.remote->IsLive() &&
           !EqualContent(situation.LocalEntryNow(), *situation.remote);
  }
  if (!situation.base.has_value() || situation.base->entry.type != EntryType::kFile) return false;
  if (!situation.is_file()) return true;
  return situation.file.has_value() &&
         Unrelated(situation.base->entry.content, situation.file->content, situation.file->looks);
}

bool MovedAndReplaced(const Situation& situation) {
  return situation.file.has_value() && situation.file->kind == PreparedFile::Kind::kReady &&
         situation.origin.has_value() &&
         Unrelated(*situation.origin, situation.file->content, situation.file->looks);
}

}  // namespace

// A file that was moved and has nothing to do any more with what it was did not move: the old one
// is gone, and this is a new one. Also counts what the round would replace.
void CommitFlow::PartMoves(Round& round) {
  std::set<RelPath> parted;
  for (const Situation& item : round.items) {
    const auto from = round.moved_from.find(item.path);
    if (from != round.moved_from.end() && MovedAndReplaced(item)) {
      parted.insert(item.path);
      parted.insert(from->second);
    } else if (ReplacesThere(item, WinnerFor(*context_, item))) {
      ++round.replacements;
    }
  }
  if (parted.empty()) return;
  std::erase_if(round.items, [&](const Situation& item) { return parted.contains(item.path); });
  for (const RelPath& path : parted) {
    no_move_.insert(path);
    round.moved_from.erase(path);
    round.moved_to.erase(path);
    context_->Release(path);
    context_->Dirty(path);
  }
}

// False when it has to wait: then it is released.
bool CommitFlow::PassesGates(const Situation& situation, const Action& action, const Round& round) {
  const RelPath& path = situation.path;
  const HeldRow* held = context_->held.Find(path);
  // Only what carries out an undo needs no other word.
  const bool incoming = held != nullptr && held->direction == HeldRow::Direction::kIncoming;
  const Action::Kind undoes = incoming ? Action::Kind::kUpload : Action::Kind::kDownload;
  const bool undone = held != nullptr && held->verdict == HeldRow::Verdict::kUndone;
  if (undone && action.kind == undoes) return true;
  const Winner winner = WinnerFor(*context_, situation);
  if (action.kind == Action::Kind::kUpload && ReplacesThere(situation, winner)) {
    const DeletionGate::Answer answer = gate_->AskReplacement(path, winner, round.replacements);
    if (answer == DeletionGate::Answer::kGo) return true;
    context_->Release(path);
    return false;
  }
  gate_->Forget(path, Loss::kReplaced);
  const std::optional<Loss> loss = IncomingGate::LossOf(situation, action, winner);
  const uint64_t version = situation.RemoteVersion();
  const bool waits =
      loss.has_value() ? !incoming_->MayApply(path, version, *loss, winner)
                       : incoming_->Holds(path, version) && action.kind == Action::Kind::kDownload;
  if (waits) {
    context_->Release(path);
    return false;
  }
  if (!loss.has_value() && action.kind != Action::Kind::kDownload &&
      action.kind != Action::Kind::kHold) {
    incoming_->Forget(path);
  }
  return true;
}

// Applies what the incoming gate let go, what is inside before what holds it.
bool CommitFlow::ApplyAllowed() {
  std::vector<Situation> to_apply;
  for (const RelPath& path : incoming_->TakeAllowed(kAllowedPerStep)) {
    // Whoever has it looks at it again.
    if (context_->in_flight.Claim(path)) ApplyIfStillLost(path, to_apply);
  }
  if (to_apply.empty()) return false;
  apply_->Apply(std::move(to_apply));
  return true;
}

void CommitFlow::ApplyIfStillLost(const RelPath& path, std::vector<Situation>& to_apply) {
  absl::StatusOr<Situation> examined = Examine(*context_, path);
  if (!examined.ok() || examined->look.presence == Look::Presence::kUnknown) {
    context_->Release(path);
    context_->Fail(path, examined.ok() ? examined->look.why : examined.status());
    return;
  }
  Situation situation = *std::move(examined);
  const bool there = situation.remote.has_value() && situation.remote->IsLive();
  // Where the other side decides alone, what is here need not be read to be discarded.
  const bool unread = situation.NeedsContent() &&
                      (there || ModeFor(*context_, situation) != Mode::kDestinationToSource);
  Action action;
  if (!unread) action = Decide(*context_, situation);
  situation.why = action.why;
  if (unread || action.kind != Action::Kind::kDeleteLocal) {
    context_->Release(path);
    context_->Dirty(path);
    return;
  }
  if (situation.is_directory() && !MayRemoveDirectory(situation)) {
    context_->Release(path);
    return;
  }
  if (!situation.remote.has_value()) situation.remote = SourceOfMirror(situation);
  to_apply.push_back(std::move(situation));
}

// A directory waits for what is in it: with that it is held, and after that it goes. When some of
// it failed it is tried all the same, and kept if it is not empty.
bool CommitFlow::MayRemoveDirectory(const Situation& directory) {
  const RelPath& path = directory.path;
  const absl::StatusOr<bool> below = context_->state->HasRemoteBelow(path);
  if (below.ok() && !*below && !incoming_->HasBelow(path)) return true;
  const auto& failures = context_->failures.all();
  const auto failed = failures.upper_bound(path);
  if (failed != failures.end() && failed->first.IsAtOrBelow(path)) return true;
  if (!context_->held.WaitsBelow(path, HeldRow::Direction::kIncoming)) {
    incoming_->PutBack(path, directory.RemoteVersion());
    return false;
  }
  incoming_->Forget(path);
  const absl::Status held = context_->held.Put({.path = path,
                                                .direction = HeldRow::Direction::kIncoming,
                                                .loss = Loss::kDeleted,
                                                .winner = WinnerFor(*context_, directory),
                                                .version = directory.RemoteVersion()});
  if (!held.ok()) context_->halt = held;
  return false;
}

}  // namespace filesync
