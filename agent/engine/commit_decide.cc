// The commit flow's decisions: what becomes of each path of a round, and the batch it makes.

#include <algorithm>
#include <utility>

#include "agent/engine/commit_flow.h"
#include "agent/engine/commit_round.h"
#include "agent/engine/host_stops.h"
#include "agent/engine/installer.h"
#include "agent/engine/local_attributes.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kBusyFirst = absl::Milliseconds(50);

// What stands here stands as it did.
bool LooksTheSame(const BaseRow& a, const BaseRow& b) {
  return a.fingerprint == b.fingerprint && a.LocalMode() == b.LocalMode() &&
         SameAttributes(a.local.attributes, b.local.attributes);
}

}  // namespace

void CommitFlow::DecideAll(RoundPtr round) {
  if (round->session != context_->session || !context_->welcome.has_value()) {
    Abandon(*round);
    return;
  }
  PartMoves(*round);
  auto batch = std::make_shared<Batch>();
  batch->round = round;
  std::vector<Situation> to_apply;
  // They mostly are in order already, and are no small things to move.
  const auto by_path = [](const Situation& a, const Situation& b) { return a.path < b.path; };
  if (!std::is_sorted(round->items.begin(), round->items.end(), by_path)) {
    std::sort(round->items.begin(), round->items.end(), by_path);
  }
  for (auto item = round->items.rbegin(); item != round->items.rend(); ++item) {
    // Deletions first, what is inside before what holds it; a move's old half goes with its new.
    if (item->absent()) DecideOne(*item, *round, *batch, to_apply);
  }
  for (Situation& item : round->items) {
    if (!item.absent()) DecideOne(item, *round, *batch, to_apply);
  }
  // Directories that moved go last, when nothing is left in them.
  std::stable_partition(batch->changes.begin(), batch->changes.end(),
                        [&](const PendingChange& pending) {
                          return !round->moved_to.contains(pending.change.entry.path) ||
                                 pending.change.entry.moved_to.IsRoot();
                        });
  apply_->Apply(std::move(to_apply));
  if (batch->changes.empty()) {
    --rounds_;
    if (round->large) --large_rounds_;
    return;
  }
  Send(std::move(batch), round->large);
}

// What was read during a stream that ended is looked at again in the next.
void CommitFlow::Abandon(const Round& round) {
  for (const Situation& situation : round.items) {
    context_->Release(situation.path);
    context_->Dirty(situation.path);
  }
  --rounds_;
  if (round.large) --large_rounds_;
}

// The two sides may have cut the same bytes differently: then only reading with the other's
// chunk sizes tells whether they are equal.
bool CommitFlow::ReadAgainToCompare(Situation& situation) {
  if (!situation.remote.has_value() || situation.remote->type != EntryType::kFile) return false;
  const Content& there = situation.remote->content;
  const Content& here = situation.file->content;
  if (there.size != here.size || there.average_size == here.average_size) return false;
  std::atomic<int64_t> keep = 0;
  PrepareRequest request;
  request.path = situation.path;
  request.previous_average = there.average_size;
  request.exact = true;
  PreparedFile again = context_->preparer->Prepare(request, keep);
  if (again.kind != PreparedFile::Kind::kReady || again.content.hash != there.hash) return false;
  situation.file = std::move(again);
  return true;
}

// Ends what needed nothing but a note in the state.
void CommitFlow::SettleHere(const RelPath& path, const absl::Status& noted) {
  if (noted.ok()) {
    context_->ClearFailure(path);
    if (absl::Status erased = context_->held.Erase(path); !erased.ok()) context_->halt = erased;
  } else {
    context_->Fail(path, noted);
  }
  context_->Release(path);
}

// Conflicts that end with a copy, or wait, say so when that is done.
void CommitFlow::NoteConflict(const RelPath& path, const Action& action) {
  switch (action.kind) {
    case Action::Kind::kUpload:
    case Action::Kind::kDownload:
    case Action::Kind::kDeleteLocal:
    case Action::Kind::kDeleteRemote:
      ++context_->stats.conflicts;
      context_->Emit({.kind = SyncEvent::Kind::kConflict, .path = path, .why = action.why});
      return;
    default:
      return;
  }
}

void CommitFlow::DecideOne(Situation& situation, Round& round, Batch& batch,
                           std::vector<Situation>& to_apply) {
  const RelPath path = situation.path;
  if (situation.follows.has_value()) {
    AddFollowedEdit(situation, batch);
    return;
  }
  if (situation.file.has_value()) {
    switch (situation.file->kind) {
      case PreparedFile::Kind::kReady:
        ReadAgainToCompare(situation);
        break;
      case PreparedFile::Kind::kBusy: {
        context_->Release(path);
        context_->FoundChanging(path);
        int& attempts = context_->busy[path];
        const absl::Duration wait =
            std::min(absl::Seconds(10), kBusyFirst * (1 << std::min(attempts++, 8)));
        context_->dirty.Postpone(path, context_->clock->Now() + wait);
        return;
      }
      case PreparedFile::Kind::kGone:
        context_->Release(path);
        context_->DirtyAfter(path, absl::Milliseconds(10));
        return;
      case PreparedFile::Kind::kFailed:
        context_->Release(path);
        context_->Fail(path, situation.file->why);
        return;
    }
    context_->busy.erase(path);
  }
  const bool lost = IsLost(*context_, situation) && !round.moved_to.contains(path);
  if (lost || (context_->suspects_damage && IsDamaged(situation, *context_->location))) {
    Restore(situation, to_apply);
    return;
  }
  if (MayBeNoEdit(situation)) {
    AskHistory(situation, batch);
    return;
  }
  const Action action = Decide(*context_, situation);
  situation.why = action.why;
  if (!PassesGates(situation, action, round)) return;
  if (action.conflict) NoteConflict(path, action);
  switch (action.kind) {
    case Action::Kind::kNothing: {
      // Looked different, is the same: remember how it looks now.
      State& state = *context_->state;
      const uint64_t settled =
          situation.older_there ? situation.BaseVersion() : situation.RemoteVersion();
      absl::Status status = state.DeleteRemoteUpTo(path, settled);
      if (status.ok() && situation.base.has_value() && situation.present() &&
          EqualState(situation.LocalEntryNow(), situation.base->entry)) {
        BaseRow row = *situation.base;
        row.fingerprint = situation.FingerprintNow();
        row.local = situation.MetadataNow();
        if (situation.older_there || !LooksTheSame(row, *situation.base)) {
          status = state.PutBase(row);
        }
      }
      SettleHere(path, status);
      return;
    }
    case Action::Kind::kUpload:
    case Action::Kind::kAgreeMetadataLocal:
      AddUpload(situation, round, batch);
      return;
    case Action::Kind::kDeleteRemote:
      AddDeletion(situation, batch);
      return;
    case Action::Kind::kDownload:
    case Action::Kind::kAgreeMetadataRemote:
    case Action::Kind::kDeleteLocal:
      if (!situation.remote.has_value()) situation.remote = SourceOfMirror(situation);
      if (situation.file.has_value()) {
        situation.look.entry.fingerprint = situation.file->fingerprint;
      }
      to_apply.push_back(situation);
      return;
    case Action::Kind::kAgree: {
      State::Transaction transaction(context_->state);
      absl::Status status = context_->state->DeleteRemoteUpTo(path, situation.RemoteVersion());
      if (status.ok() && situation.remote.has_value() && situation.remote->IsLive()) {
        status = context_->state->PutBase({*situation.remote, context_->incarnation,
                                           situation.FingerprintNow(), situation.MetadataNow()});
      } else if (status.ok()) {
        status = context_->state->DeleteBase(path);
      }
      if (status.ok()) status = transaction.Commit();
      SettleHere(path, status);
      return;
    }
    case Action::Kind::kConflictKeepBoth:
    case Action::Kind::kConflictLocalAside: {
      LocalEntry local = situation.look.entry;
      if (situation.file.has_value()) local.fingerprint = situation.file->fingerprint;
      const absl::StatusOr<RelPath> copy = MoveToConflictCopy(*context_, local, action.why);
      absl::Status status = copy.status();
      // With no base, the server's entry simply arrives.
      if (status.ok()) status = context_->state->DeleteBase(path);
      context_->Release(path);
      if (status.ok() || absl::IsAborted(status)) {
        context_->Dirty(path);
      } else {
        context_->Fail(path, status);
      }
      return;
    }
    case Action::Kind::kConflictRemoteAside:
      AddRemoteAside(situation, batch);
      return;
    case Action::Kind::kHold:
      context_->Release(path);
      if (action.conflict) {
        context_->Hold(ToHeldConflict(situation), action.why);
      } else {
        context_->Fail(path, FailedPrecondition("{}", action.why));
      }
      return;
  }
}

// The version up to which this agent knew what became of the path.
uint64_t CommitFlow::KnownVersion(const Situation& situation) const {
  // Without a base, nothing was there then.
  return situation.base.has_value() ? situation.base->entry.version : behind_.value_or(0);
}

// Both sides differ from the base. That is a conflict only if what is here was made here: after a
// power cut, or with a state that was put back, the base is older than the files, and what is here
// is what this agent had agreed on in between. The server knows.
bool CommitFlow::MayBeNoEdit(const Situation& situation) const {
  if (!behind_.has_value()) return false;
  const bool has_content =
      situation.is_file() ||
      (situation.present() && situation.look.entry.type == LocalType::kSymlink);
  if (!has_content || !situation.remote.has_value() || situation.LocalUnchanged()) return false;
  if (ModeFor(*context_, situation) != Mode::kTwoWay) return false;
  if (WinnerFor(*context_, situation) != Winner::kNone) return false;
  if (context_->held.Find(situation.path) != nullptr) return false;
  const Entry& remote = *situation.remote;
  const uint64_t base = KnownVersion(situation);
  if (remote.version <= base || (base == 0 && !remote.IsLive())) return false;
  const Entry local = situation.LocalEntryNow();
  if (EqualContent(local, remote)) return false;
  if (situation.base.has_value() && EqualContent(local, situation.base->entry)) return false;
  const auto asked = edits_.find(situation.path);
  return asked == edits_.end() || asked->second != remote.version;
}

// Asks by a change that can't be accepted, as its base has been superseded: so nothing of it has to
// be uploaded.
void CommitFlow::AskHistory(const Situation& situation, Batch& batch) {
  PendingChange pending;
  pending.change.entry = situation.LocalEntryNow();
  pending.change.entry.path = situation.path;
  pending.change.base_version = KnownVersion(situation);
  pending.fingerprint = situation.FingerprintNow();
  pending.local = situation.MetadataNow();
  batch.changes.push_back(std::move(pending));
}

// The folder's version takes the place of what the host's stop left, which goes to the trash.
void CommitFlow::Restore(Situation& situation, std::vector<Situation>& to_apply) {
  if (!situation.remote.has_value()) situation.remote = situation.base->entry;
  const bool lost = situation.absent();
  context_->log->Warn("{}: it was {} when the host stopped; {}", situation.path.ForPeople(),
                      lost ? "lost" : "damaged",
                      situation.remote->IsLive() ? "what the folder has is restored"
                                                 : "it was deleted there since");
  situation.why = lost ? "lost when the host stopped" : "damaged when the host stopped";
  if (!lost) situation.look.entry.fingerprint = situation.file->fingerprint;
  // It is no version that anybody worked with.
  situation.base.reset();
  to_apply.push_back(situation);
}

void CommitFlow::AddUpload(Situation& situation, const Round& round, Batch& batch) {
  PendingChange pending;
  Entry entry = situation.LocalEntryNow();
  entry.path = situation.path;
  if (entry.symlink_target.size() > kMaxSymlinkTargetBytes) {
    context_->Release(situation.path);
    context_->Fail(situation.path, InvalidArgument("the symlink's target is too long"));
    return;
  }
  const auto moved = round.moved_from.find(situation.path);
  if (moved != round.moved_from.end() && situation.BaseVersion() == 0) {
    // The old half is in this batch unless it could not be deleted after all.
    if (const auto old = batch.deletions.find(moved->second); old != batch.deletions.end()) {
      batch.changes[old->second].change.entry.moved_to = situation.path;
      entry.moved_from = moved->second;
    }
  }
  pending.fingerprint = situation.FingerprintNow();
  pending.local = situation.MetadataNow();
  if (situation.remote.has_value()) {
    // A mirror's source decides, but of what it knows nothing.
    const bool two_way = ModeFor(*context_, situation) == Mode::kTwoWay;
    const BaseRow* before = two_way ? situation.Before() : nullptr;
    CarryFromRemote(before, *situation.remote, entry, pending.local);
  }
  pending.change.base_version = situation.BaseVersion();
  pending.why = situation.why;
  const bool known = (situation.base.has_value() && EqualContent(entry, situation.base->entry)) ||
                     (situation.origin.has_value() && situation.origin->hash == entry.content.hash);
  pending.bytes = known ? 0 : entry.content.size;
  if (const auto origin = context_->conflict_origin.find(situation.path);
      origin != context_->conflict_origin.end()) {
    pending.change.conflict_of = origin->second;
  }
  if (situation.file.has_value()) {
    UploadItem upload;
    upload.path = situation.path;
    upload.file = &*situation.file;
    const bool is_new = !situation.base.has_value() && !situation.origin.has_value();
    if (is_new && situation.file->looks == Looks::kScrambled) gate_->MadeScrambled(situation.path);
    if (situation.base.has_value() && situation.base->entry.type == EntryType::kFile) {
      upload.base = &situation.base->entry.content;
    } else if (situation.origin.has_value()) {
      upload.base = &*situation.origin;
    }
    upload.check_all = check_all_.contains(situation.path);
    batch.uploads.push_back(upload);
  }
  pending.change.entry = std::move(entry);
  batch.changes.push_back(std::move(pending));
}

void CommitFlow::AddDeletion(const Situation& situation, Batch& batch) {
  PendingChange pending;
  pending.change.entry.path = situation.path;
  pending.change.entry.type = EntryType::kTombstone;
  pending.change.base_version = situation.BaseVersion();
  pending.why = situation.why;
  batch.deletions[situation.path] = batch.changes.size();
  batch.changes.push_back(std::move(pending));
}

// A directory here, a file there: the directory takes the name, and the file goes on as a
// conflict copy, which is then downloaded like any other entry.
void CommitFlow::AddRemoteAside(const Situation& situation, Batch& batch) {
  const int64_t now = absl::ToUnixSeconds(context_->clock->Now());
  RelPath copy;
  for (int attempt = 0; attempt < kConflictNameAttempts; ++attempt) {
    copy = ConflictCopyPath(situation.path, now, context_->agent_name, attempt);
    const absl::StatusOr<std::optional<BaseRow>> base = context_->state->GetBase(copy);
    if (base.ok() && !base->has_value() &&
        context_->location->LookAt(copy).presence == Look::Presence::kAbsent) {
      break;
    }
  }
  if (!context_->in_flight.Claim(copy)) {
    context_->Release(situation.path);
    context_->DirtyAfter(situation.path, absl::Milliseconds(100));
    return;
  }
  context_->focus.Add(copy);
  PendingChange directory;
  directory.change.entry = ToEntry(situation.look.entry);
  directory.change.entry.path = situation.path;
  directory.change.base_version = situation.remote->version;
  directory.fingerprint = situation.look.entry.fingerprint;
  directory.local = situation.look.entry.Metadata();
  directory.why = situation.why;
  batch.changes.push_back(std::move(directory));
  // No fingerprint: it is not here yet.
  PendingChange file;
  file.change.entry = *situation.remote;
  file.change.entry.path = copy;
  file.change.entry.version = 0;
  file.change.entry.moved_from = RelPath();
  file.change.entry.moved_to = RelPath();
  file.change.conflict_of = situation.path;
  batch.changes.push_back(std::move(file));
  ++context_->stats.conflicts;
  context_->Emit({.kind = SyncEvent::Kind::kConflict,
                  .path = situation.path,
                  .to = copy,
                  .why = situation.why});
  context_->scan_subtree(situation.path);
}

}  // namespace filesync
