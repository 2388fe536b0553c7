// The apply flow's second half: what was fetched is installed and recorded.

#include <algorithm>
#include <set>
#include <utility>

#include "agent/engine/apply_flow.h"
#include "agent/engine/apply_round.h"
#include "agent/engine/installer.h"
#include "agent/engine/rename_follow.h"
#include "agent/engine/shelf.h"
#include "libs/base/status.h"
#include "libs/reconcile/act.h"

namespace filesync {
namespace {

// A directory that is to go waits for what is about to leave it.
constexpr absl::Duration kLookAgain = absl::Milliseconds(100);

}  // namespace

// What was fetched has nothing to do with the file that it is to take the place of.
bool ApplyFlow::IsUnrelated(const Item& item, const Round& round) const {
  if (item.kind != Item::Kind::kInstall || item.fetch < 0 || !item.situation.is_file()) {
    return false;
  }
  const FetchItem& fetched = round.fetch[item.fetch];
  return fetched.status.ok() && item.situation.base.has_value() &&
         Unrelated(item.situation.LocalEntryNow().content, item.target.content, fetched.looks);
}

void ApplyFlow::Finish(Round& round) {
  const auto by_path = [](const Item& a, const Item& b) { return a.target.path < b.target.path; };
  if (!std::is_sorted(round.items.begin(), round.items.end(), by_path)) {
    std::sort(round.items.begin(), round.items.end(), by_path);
  }
  Installer installer(context_);
  round.rows.reserve(round.items.size());
  std::vector<SyncEvent> events;
  events.reserve(round.items.size());
  auto settle = [&](Item& item, const Installed& installed) {
    const RelPath& path = item.target.path;
    switch (installed.kind) {
      case Installed::Kind::kDone:
        round.applied.emplace_back(path, item.target.version);
        context_->progress.Finish(TransferDirection::kDown, path);
        context_->ClearFailure(path);
        if (context_->filters->IsRuleFile(path)) context_->filters->Reload(path.Parent());
        if (item.target.IsLive()) {
          round.rows.push_back(
              {item.target, context_->incarnation, installed.fingerprint, installed.now});
          events.push_back({.kind = SyncEvent::Kind::kDownloaded,
                            .path = path,
                            .bytes = item.fetch >= 0 ? item.target.content.size : 0,
                            .why = item.situation.why});
          if (item.fetch >= 0 && !item.situation.base.has_value() &&
              round.fetch[item.fetch].looks == Looks::kScrambled) {
            gate_->MadeScrambled(path);
          }
          if (context_->on_propagation && item.target.committed_at_ns > 0) {
            context_->on_propagation(context_->clock->Now() -
                                     absl::FromUnixNanos(item.target.committed_at_ns));
          }
        } else {
          round.forget.push_back(path);
          events.push_back(
              {.kind = SyncEvent::Kind::kDeletedHere, .path = path, .why = item.situation.why});
        }
        return;
      case Installed::Kind::kOccupied:
        // What is in it, the folder does not know: the directory stays, and is made again there.
        if (ModeFor(*context_, item.situation) != Mode::kTwoWay) {
          // Here it is not made again there, so it can only go when it is empty.
          round.stash.push_back(item.target);
          context_->Fail(path, FailedPrecondition("it is kept: it holds what is not synced"));
          context_->scan_subtree(path);
          return;
        }
        if (MayBecomeEmpty(path, round)) {
          round.stash.push_back(item.target);
          round.later.insert(path);
          return;
        }
        context_->log->Info("{} is kept: it holds what the folder does not have", path.ForPeople());
        round.forget.push_back(path);
        round.stash.push_back(item.target);
        context_->scan_subtree(path);
        return;
      case Installed::Kind::kChanged:
        context_->FoundChanging(path);
        round.stash.push_back(item.target);
        return;
      case Installed::Kind::kFailed:
        round.stash.push_back(item.target);
        context_->Fail(path, installed.status);
        return;
    }
  };
  for (auto item = round.items.rbegin(); item != round.items.rend(); ++item) {
    if (item->kind == Item::Kind::kDelete) settle(*item, installer.Remove(item->situation));
  }
  const auto unrelated = [&](const Item& item) { return IsUnrelated(item, round); };
  const bool few = gate_->Few(std::count_if(round.items.begin(), round.items.end(), unrelated));
  std::set<RelPath> waiting;  // for the gate, which sees to them
  for (Item& item : round.items) {
    if (item.kind == Item::Kind::kRecord) {
      round.applied.emplace_back(item.target.path, item.target.version);
      context_->ClearFailure(item.target.path);
      if (item.target.IsLive()) {
        round.rows.push_back({item.target, context_->incarnation,
                              item.situation.look.entry.fingerprint,
                              item.situation.look.entry.Metadata()});
      } else {
        round.forget.push_back(item.target.path);
      }
    }
    if (item.kind != Item::Kind::kInstall) continue;
    StagedFile* staged = nullptr;
    if (item.fetch >= 0) {
      FetchItem& fetch = round.fetch[item.fetch];
      if (!fetch.status.ok()) {
        round.stash.push_back(item.target);
        const bool passing = absl::IsUnavailable(fetch.status) || absl::IsCancelled(fetch.status);
        if (!passing) context_->Fail(item.target.path, fetch.status);
        continue;
      }
      staged = fetch.staged.get();
      context_->NoteLoss(item.target.path, fetch.loss);
    }
    if (unrelated(item)) {
      const RelPath& path = item.target.path;
      if (few) {
        gate_->Went(path, HeldRow::Loss::kReplaced);
      } else if (!gate_->MayApply(path, item.target.version, HeldRow::Loss::kReplaced,
                                  Winner::kNone)) {
        round.stash.push_back(item.target);
        waiting.insert(path);
        continue;
      }
    }
    settle(item, installer.Install(item.situation, item.target, staged));
  }
  absl::Status recorded = installer.Sync();
  if (recorded.ok()) recorded = Record(round);
  if (!recorded.ok()) {
    // Nothing was recorded: the cursor stays, and all of it comes again.
    context_->unrecorded = true;
    context_->halt = Annotate(recorded, "cannot record what was applied");
  }
  for (const RelPath& path : installer.TakeTouched()) context_->Dirty(path);
  ReleaseAll(round);
  for (const Entry& entry : round.stash) {
    if (round.later.contains(entry.path)) {
      context_->DirtyAfter(entry.path, kLookAgain);
      continue;
    }
    if (!large_.contains(entry.path) && !context_->RetryIsPlanned(entry.path) &&
        !waiting.contains(entry.path)) {
      context_->Dirty(entry.path);
    }
  }
  for (SyncEvent& event : events) context_->Emit(std::move(event));
  if (recorded.ok() && round.through.has_value()) {
    context_->follower->Passed(round.through->version);
    (void)context_->link->SendApplied(*round.through);
  }
}

// What was edited in a directory that moved elsewhere goes after it, and is about to.
bool ApplyFlow::MayBecomeEmpty(const RelPath& directory, const Round& round) const {
  const bool leaves = std::any_of(round.stash.begin(), round.stash.end(), [&](const Entry& entry) {
    return !entry.moved_to.IsRoot() && entry.path != directory && entry.path.IsAtOrBelow(directory);
  });
  return leaves || context_->follower->MayBecomeEmpty(directory);
}

absl::Status ApplyFlow::Record(Round& round) {
  State& state = *context_->state;
  State::Transaction transaction(&state);
  for (const Entry& entry : round.ignored) {
    FS_RETURN_IF_ERROR(ShelveEntry(state, entry));
  }
  for (const RelPath& path : round.forget) FS_RETURN_IF_ERROR(state.DeleteBase(path));
  for (const BaseRow& row : round.rows) FS_RETURN_IF_ERROR(state.PutBase(row));
  for (const auto& [path, version] : round.applied) {
    FS_RETURN_IF_ERROR(state.DeleteRemoteUpTo(path, version));
    FS_RETURN_IF_ERROR(context_->held.Erase(path));
    gate_->Forget(path);
  }
  for (const Entry& entry : round.stash) {
    if (context_->follower->IsStale(entry)) continue;
    FS_ASSIGN_OR_RETURN(const std::optional<Entry> known, state.GetRemote(entry.path));
    if (known.has_value() && known->version > entry.version) continue;
    // A commit of ours may have been accepted since.
    FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, state.GetBase(entry.path));
    if (base.has_value() && base->entry.version >= entry.version) continue;
    FS_RETURN_IF_ERROR(state.PutRemote(entry));
  }
  if (round.through.has_value()) {
    FS_ASSIGN_OR_RETURN(const Cursor cursor, state.GetCursor());
    const bool newer =
        cursor.incarnation != round.through->incarnation || cursor.version < round.through->version;
    if (newer) FS_RETURN_IF_ERROR(state.SetCursor(*round.through));
  }
  return transaction.Commit();
}

}  // namespace filesync
