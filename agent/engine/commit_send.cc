// The commit flow's second half: a batch is uploaded, kept, sent, and its answer recorded.

#include <algorithm>
#include <utility>

#include "agent/engine/commit_flow.h"
#include "agent/engine/commit_round.h"
#include "agent/engine/local_attributes.h"
#include "agent/engine/rename_follow.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kChangedAgain = absl::Milliseconds(50);
constexpr absl::Duration kAfterFailure = absl::Seconds(2);
constexpr absl::Duration kAfterDrop = absl::Seconds(5);
constexpr int kRejectionsToWaitOut = 5;
constexpr size_t kMostEditsRemembered = 100'000;

// Says something of just what a location looks at.
Attributes Seen(const Preserve& preserve) {
  Attributes seen;
  if (preserve.owner) seen.owner = std::make_shared<const Owner>();
  if (preserve.xattrs) seen.xattrs = std::make_shared<const Xattrs>();
  return seen;
}

}  // namespace

void CommitFlow::Send(BatchPtr batch, bool large) {
  const WelcomeInfo welcome = *context_->welcome;
  Executor* lane = large ? large_lane_ : lane_;
  Uploader* uploader = large ? &large_uploader_ : &uploader_;
  lane->Schedule([this, batch, welcome, uploader] {
    const HeadStart* head_start =
        batch->round->early != nullptr ? &batch->round->early->head_start() : nullptr;
    absl::Status status =
        uploader->Upload(welcome, batch->uploads, head_start, batch->inline_chunks);
    if (!status.ok()) {
      context_->mailbox.Post([this, batch, status] { Unsent(batch, status); });
      return;
    }
    // What changed while it was uploaded is left out, and looked at again.
    std::set<RelPath> changed;
    for (const UploadItem& item : batch->uploads) {
      if (item.changed) changed.insert(item.path);
    }
    std::vector<PendingChange> kept;
    std::vector<RelPath> left_out;
    for (PendingChange& pending : batch->changes) {
      const Entry& entry = pending.change.entry;
      if (changed.contains(entry.path) || changed.contains(entry.moved_to)) {
        left_out.push_back(entry.path);
      } else {
        kept.push_back(std::move(pending));
      }
    }
    batch->changes = std::move(kept);
    context_->mailbox.Post([this, batch, left_out = std::move(left_out)] {
      for (const RelPath& path : left_out) {
        context_->Release(path);
        context_->DirtyAfter(path, kChangedAgain);
      }
      Sending(batch);
    });
  });
}

// Numbers are given out and sent in the same order, on the engine's thread.
void CommitFlow::Sending(const BatchPtr& batch) {
  if (batch->changes.empty()) {
    FinishRound(*batch);
    return;
  }
  // Kept now, it would be sent again by the next stream, which nobody waits for here.
  if (batch->round->session != context_->session || !context_->welcome.has_value()) {
    Unsent(batch, Unavailable("the connection was lost"));
    return;
  }
  absl::StatusOr<uint64_t> number = context_->state->AddPendingBatch(batch->changes);
  if (!number.ok()) {
    Unsent(batch, number.status());
    return;
  }
  batch->number = *number;
  KeepPieces(*batch);
  awaiting_[*number] = batch;
  FinishRound(*batch);
  std::vector<Change> changes;
  changes.reserve(batch->changes.size());
  for (const PendingChange& pending : batch->changes) changes.push_back(pending.change);
  // A stream that broke is noticed by its reader; the batch is sent again after it.
  (void)context_->link->SendCommit(*number, changes, batch->inline_chunks);
  batch->inline_chunks.clear();
}

// The lists that were just made are the ones that others' edits will refer to.
void CommitFlow::KeepPieces(const Batch& batch) {
  for (const UploadItem& item : batch.uploads) {
    if (item.file->pieces.empty()) continue;
    std::vector<std::pair<ChunkId, std::string>> pieces;
    for (const ListPiece& piece : item.file->pieces) pieces.emplace_back(piece.id, piece.plain);
    const ContentHash keep = item.base != nullptr ? item.base->hash : ContentHash();
    const absl::Status kept =
        context_->state->PutPieces(item.path, item.file->content.hash, keep, pieces);
    if (!kept.ok()) context_->log->Warn("{}", Describe(kept));
  }
}

void CommitFlow::FinishRound(Batch& batch) {
  if (batch.round == nullptr) return;
  --rounds_;
  if (batch.round->large) --large_rounds_;
  const absl::Time now = context_->clock->Now();
  for (const UploadItem& item : batch.uploads) {
    context_->dirty.Handled(
        item.path, now, (now - batch.round->started) / static_cast<int64_t>(batch.uploads.size()));
  }
  batch.uploads.clear();
  batch.round.reset();
}

void CommitFlow::Unsent(const BatchPtr& batch, const absl::Status& why) {
  for (const PendingChange& pending : batch->changes) {
    context_->Release(pending.change.entry.path);
  }
  NotCommitted(batch->changes, why);
  FinishRound(*batch);
}

// They are tried again; what does not pass with the connection is said of the paths meanwhile.
void CommitFlow::NotCommitted(const std::vector<PendingChange>& changes, const absl::Status& why) {
  const bool passing = absl::IsUnavailable(why) || absl::IsCancelled(why);
  const bool only_deletions =
      std::none_of(changes.begin(), changes.end(),
                   [](const PendingChange& pending) { return pending.change.entry.IsLive(); });
  for (const PendingChange& pending : changes) {
    const Entry& entry = pending.change.entry;
    if (passing) {
      context_->Dirty(entry.path);
    } else if (entry.IsLive() || only_deletions) {
      context_->Fail(entry.path, why);
    } else {
      // Without what it was in one batch with it may pass.
      context_->DirtyAfter(entry.path, kAfterFailure);
    }
  }
}

void CommitFlow::OnCommitResult(uint64_t number, CommitResult result, const std::string& failure) {
  std::vector<PendingChange> changes;
  const bool resent = resent_.erase(number) > 0;
  const auto it = awaiting_.find(number);
  const bool claimed = it != awaiting_.end();
  if (claimed) {
    changes = std::move(it->second->changes);
    awaiting_.erase(it);
  } else if (resent) {
    const absl::StatusOr<std::vector<PendingBatch>> pending = context_->state->PendingBatches();
    if (!pending.ok()) {
      // Asked again when that has passed: the batch is sent anew then.
      context_->halt = Annotate(pending.status(), "cannot record a commit");
      return;
    }
    for (const PendingBatch& batch : *pending) {
      if (batch.number == number) changes = batch.changes;
    }
  } else {
    return;
  }
  const bool answered = failure.empty() && result.outcomes.size() == changes.size();
  bool recorded = false;
  {
    State::Transaction transaction(context_->state);
    absl::Status status = context_->state->DeletePendingBatch(number);
    for (size_t i = 0; status.ok() && answered && i < changes.size(); ++i) {
      status = Settle(changes[i], result.outcomes[i]);
    }
    if (status.ok()) status = transaction.Commit();
    // The batch is still in the state, and is sent again when the reason is gone.
    if (!status.ok()) context_->halt = Annotate(status, "cannot record a commit");
    recorded = status.ok();
  }
  const absl::Status why = FailedPrecondition(
      "the server could not commit it: {}", failure.empty() ? "its answer does not fit" : failure);
  if (claimed) {
    for (const PendingChange& pending : changes) context_->Release(pending.change.entry.path);
  } else {
    // They were nobody's meanwhile: what was deleted before there was a base, nobody missed.
    for (const PendingChange& pending : changes) context_->Dirty(pending.change.entry.path);
  }
  if (!answered) NotCommitted(changes, why);
  if (answered && recorded) {
    ScanMoved(changes);
    ++context_->stats.commits;
    context_->head_version = std::max(context_->head_version, result.head_version);
  }
}

// What a directory that moved holds was committed before its new names were watched: what changed
// in between shows against the bases that are recorded now.
void CommitFlow::ScanMoved(const std::vector<PendingChange>& changes) {
  std::set<RelPath> moved;
  for (const PendingChange& pending : changes) {
    const Entry& entry = pending.change.entry;
    const bool directory = entry.type == EntryType::kDirectory && !entry.moved_from.IsRoot();
    if (directory) moved.insert(entry.path);
  }
  for (const RelPath& path : moved) {
    if (!moved.contains(path.Parent())) context_->scan_subtree(path);
  }
}

// Records what became of one change; inside a transaction.
absl::Status CommitFlow::Settle(const PendingChange& pending, const ChangeOutcome& outcome) {
  State& state = *context_->state;
  const Entry& entry = pending.change.entry;
  const RelPath& path = entry.path;
  switch (outcome.kind) {
    case ChangeOutcome::Kind::kAccepted: {
      context_->ClearFailure(path);
      check_all_.erase(path);
      no_move_.erase(path);
      follow_attempts_.erase(path);
      edits_.erase(path);
      context_->conflict_origin.erase(path);
      FS_RETURN_IF_ERROR(context_->held.Erase(path));
      FS_ASSIGN_OR_RETURN(const std::optional<Entry> remote, state.GetRemote(path));
      if (remote.has_value() && remote->version > outcome.version) {
        context_->Dirty(path);
      } else {
        FS_RETURN_IF_ERROR(state.DeleteRemote(path));
      }
      FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, state.GetBase(path));
      if (base.has_value() && base->entry.version > outcome.version) return absl::OkStatus();
      if (!entry.IsLive()) {
        // The other half tells of a move.
        if (entry.moved_to.IsRoot()) {
          context_->Emit(
              {.kind = SyncEvent::Kind::kDeletedThere, .path = path, .why = pending.why});
        }
        context_->follower->Deleted(path, outcome.version);
        return state.DeleteBase(path);
      }
      Entry committed = entry;
      committed.version = outcome.version;
      if (pending.fingerprint.inode == 0) {
        // It stands on the server only, a conflict copy or an edit from there: it is fetched now.
        if (!entry.moved_from.IsRoot()) {
          FS_RETURN_IF_ERROR(TakeOverBase(entry));
          context_->Emit({.kind = SyncEvent::Kind::kMovedThere,
                          .path = entry.moved_from,
                          .to = path,
                          .why = "renamed here, changed there"});
        }
        context_->Dirty(path);
        return state.PutRemote(committed);
      }
      context_->progress.Finish(TransferDirection::kUp, path);
      if (entry.moved_from.IsRoot()) {
        context_->Emit({.kind = SyncEvent::Kind::kUploaded,
                        .path = path,
                        .bytes = pending.bytes,
                        .why = pending.why});
      } else {
        context_->Emit({.kind = SyncEvent::Kind::kMovedThere,
                        .path = entry.moved_from,
                        .to = path,
                        .bytes = pending.bytes,
                        .why = "renamed here"});
      }
      const BaseRow row{committed, context_->incarnation, pending.fingerprint, pending.local};
      // What was taken from the other side's entry is not applied here yet.
      if (AttributesToApply(Seen(context_->location->preserve()), row)) context_->Dirty(path);
      return state.PutBase(row);
    }
    case ChangeOutcome::Kind::kSuperseded: {
      Entry current = outcome.current.value_or(Entry());
      current.path = path;
      context_->Dirty(path);
      if (behind_.has_value() && outcome.content_of_version > 0 && entry.IsLive()) {
        // This agent had it: no edit, but a base that was behind.
        Entry had = entry;
        had.version = outcome.content_of_version;
        had.moved_from = RelPath();
        FS_RETURN_IF_ERROR(
            state.PutBase({had, context_->incarnation, pending.fingerprint, pending.local}));
      } else if (behind_.has_value()) {
        if (edits_.size() >= kMostEditsRemembered) edits_.clear();
        edits_[path] = current.version;
      }
      return state.PutRemote(current);
    }
    case ChangeOutcome::Kind::kMissingChunks:
      check_all_.insert(path);
      context_->Dirty(path);
      return absl::OkStatus();
    case ChangeOutcome::Kind::kRejected:
      break;
  }
  return SettleRejected(entry, outcome);
}

// The server refused the change; inside a transaction.
absl::Status CommitFlow::SettleRejected(const Entry& entry, const ChangeOutcome& outcome) {
  State& state = *context_->state;
  const RelPath& path = entry.path;
  switch (outcome.reason) {
    case RejectReason::kMovePartner:
      no_move_.insert(path);
      context_->Dirty(path);
      return absl::OkStatus();
    case RejectReason::kParentMissing:
      // An ancestor is no directory there (any more): it is to be decided first.
      for (RelPath parent = path.Parent(); !parent.IsRoot(); parent = parent.Parent()) {
        // A backup did not act on its deletion there; now it is needed again.
        const HeldRow* held = context_->held.Find(parent, HeldRow::Direction::kIncoming);
        // What is to be kept in it keeps a directory that was to be deleted here.
        const bool kept = held != nullptr && held->verdict == HeldRow::Verdict::kNone;
        // So does what leads to the part that is looked at.
        FS_ASSIGN_OR_RETURN(const std::optional<Entry> there, state.GetRemote(parent));
        const bool leads =
            context_->focus.OnlyLeads(parent) && there.has_value() && !there->IsLive();
        const bool needed = kept || leads || IsBackup(context_->mode);
        if (needed) FS_RETURN_IF_ERROR(state.DeleteBase(parent));
        if (kept) incoming_->Forget(parent);
        context_->Dirty(parent);
      }
      break;
    case RejectReason::kNotEmpty: {
      // What is ignored here keeps its directory, which comes back.
      FS_ASSIGN_OR_RETURN(const bool keeps, state.HasIgnoredBelow(path));
      FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, state.GetBase(path));
      if (!keeps || !base.has_value() || entry.IsLive()) break;
      FS_RETURN_IF_ERROR(state.PutRemote(base->entry));
      FS_RETURN_IF_ERROR(state.DeleteBase(path));
      context_->Dirty(path);
      return absl::OkStatus();
    }
    case RejectReason::kMalformed:
      context_->rejected[path] = kRejectionsToWaitOut;
      break;
  }
  // What stands in its way there may be on its way here.
  if (context_->rejected[path]++ < kRejectionsToWaitOut) {
    context_->DirtyAfter(path, absl::Milliseconds(200));
    return absl::OkStatus();
  }
  context_->rejected.erase(path);
  context_->Fail(path, FailedPrecondition("the server refused it: {}", outcome.message));
  return absl::OkStatus();
}

absl::Status CommitFlow::Resend() {
  FS_ASSIGN_OR_RETURN(const std::vector<PendingBatch> batches, context_->state->PendingBatches());
  for (const PendingBatch& batch : batches) {
    resent_.insert(batch.number);
    std::vector<Change> changes;
    for (const PendingChange& pending : batch.changes) changes.push_back(pending.change);
    FS_RETURN_IF_ERROR(context_->link->SendCommit(batch.number, changes, {}));
  }
  return absl::OkStatus();
}

absl::Status CommitFlow::DropPending() {
  FS_ASSIGN_OR_RETURN(const std::vector<PendingBatch> batches, context_->state->PendingBatches());
  for (const PendingBatch& batch : batches) {
    for (const PendingChange& pending : batch.changes) {
      context_->DirtyAfter(pending.change.entry.path, kAfterDrop);
    }
  }
  return context_->state->DropPendingBatches();
}

void CommitFlow::OnClosed() {
  resent_.clear();
  for (const auto& [number, batch] : awaiting_) {
    for (const PendingChange& pending : batch->changes) {
      context_->Release(pending.change.entry.path);
      context_->Dirty(pending.change.entry.path);
    }
  }
  awaiting_.clear();
}

}  // namespace filesync
