// The commit flow's eye for moves.

#include "agent/engine/commit_flow.h"
#include "agent/engine/commit_round.h"
#include "agent/engine/rename_follow.h"
#include "agent/engine/scanner.h"

namespace filesync {
namespace {

// Of owners and extended attributes in one commit, in bytes, so that the server takes it.
constexpr size_t kMostCarried = 16 << 20;

}  // namespace

// The path belongs to this round and waits no longer.
void CommitFlow::Take(const RelPath& path, Round& round) {
  context_->in_flight.Claim(path);
  context_->dirty.Remove(path);
  gate_->Forget(path);
  context_->follower->Forget(path);
  round.paths.insert(path);
}

// Adds the deletion of what `row` knows to the round.
void CommitFlow::TakeGone(const BaseRow& row, Round& round) {
  Take(row.entry.path, round);
  Situation gone;
  gone.path = row.entry.path;
  gone.look.presence = Look::Presence::kAbsent;
  gone.base = row;
  round.items.push_back(std::move(gone));
}

// Something new stands here: did it come from another name? Then its content is known (its stat
// is the base's; a file whose ctime moved with it is read), and the commit says so. False: the old
// name is being dealt with, so that it can't be told yet.
bool CommitFlow::FindMove(Situation& situation, Round& round) {
  if (!RenamesAreSent(context_->mode) || context_->winner != Winner::kNone) return true;
  if (situation.base.has_value()) return true;
  const Fingerprint& fingerprint = situation.look.entry.fingerprint;
  absl::StatusOr<std::optional<BaseRow>> row =
      context_->state->BaseByInode(fingerprint.device, fingerprint.inode);
  if (!row.ok() || !row->has_value()) return true;
  const BaseRow& from = **row;
  const RelPath old = from.entry.path;
  if (round.moved_to.contains(old)) return true;
  if (context_->location->LookAt(old).presence != Look::Presence::kAbsent) return true;
  const bool directory = situation.is_directory();
  if (directory != (from.entry.type == EntryType::kDirectory)) return true;
  if (!context_->focus.Shows(old)) {
    // Its going is for an engine that looks there.
    situation.previous = from;
    if (!directory) situation.origin = from.entry.content;
    return true;
  }
  if (!round.paths.contains(old) && context_->in_flight.Contains(old)) return false;
  if (!directory && TakeEdit(situation, from, round)) return true;
  if (no_move_.contains(situation.path) || no_move_.contains(old)) return true;
  if (!round.paths.contains(old)) {
    // Both halves go together: the deletion need not wait.
    const absl::StatusOr<std::optional<Entry>> remote = context_->state->GetRemote(old);
    if (!remote.ok() || remote->has_value()) return true;
    TakeGone(from, round);
  }
  round.moved_to[old] = situation.path;
  round.moved_from[situation.path] = old;
  situation.previous = from;
  if (!directory) {
    situation.origin = from.entry.content;
    if (fingerprint == from.fingerprint) situation.moved_from = from;
    return true;
  }
  context_->filters->Forget(old);
  context_->filters->Forget(situation.path);
  AddMovedTree(situation, from, round);
  return true;
}

// Everything below a directory that moved belongs into the same commit, so that receivers can
// rename it in one.
void CommitFlow::AddMovedTree(const Situation& directory, const BaseRow& from, Round& round) {
  round.whole_tree = true;
  const absl::StatusOr<std::vector<BaseRow>> rows = context_->state->BaseTree(from.entry.path);
  if (!rows.ok() || rows->size() * 2 > context_->welcome->changes_per_batch) return;
  size_t carried = 0;
  for (const BaseRow& row : *rows) carried += AttributeBytes(row.entry.attributes);
  if (carried > kMostCarried) return;
  for (const BaseRow& row : *rows) {
    const RelPath& old = row.entry.path;
    if (old == from.entry.path) continue;
    const RelPath now = old.Rebased(from.entry.path, directory.path);
    const bool is_directory = row.entry.type == EntryType::kDirectory;
    if (context_->filters->Ignores(now, is_directory)) continue;
    const Look look = context_->location->LookAt(now);
    const bool same = look.presence == Look::Presence::kPresent &&
                      look.entry.fingerprint.inode == row.fingerprint.inode &&
                      Unchanged(look.entry, row);
    if (!same || round.paths.contains(old) || round.paths.contains(now)) continue;
    const absl::StatusOr<std::optional<BaseRow>> taken = context_->state->GetBase(now);
    if (!taken.ok() || taken->has_value() || context_->in_flight.Contains(old) ||
        context_->in_flight.Contains(now)) {
      continue;
    }
    Situation come;
    come.path = now;
    come.look = look;
    come.previous = row;
    const absl::StatusOr<std::optional<Entry>> remote = context_->state->GetRemote(old);
    if (!remote.ok()) continue;
    if (remote->has_value()) {
      if (is_directory || !TakeEdit(come, row, round)) continue;
      Take(now, round);
      round.items.push_back(std::move(come));
      continue;
    }
    TakeGone(row, round);
    Take(now, round);
    if (row.entry.type == EntryType::kFile) come.moved_from = row;
    round.moved_to[old] = now;
    round.moved_from[now] = old;
    round.items.push_back(std::move(come));
  }
}

}  // namespace filesync
