#include "agent/engine/commit_flow.h"

#include <algorithm>
#include <utility>

#include "agent/engine/installer.h"
#include "agent/engine/scanner.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kRoundsInProgress = 3;
constexpr int kLargeRounds = 1;
constexpr size_t kPathsPerRound = 1000;
constexpr uint64_t kLargeFile = 16 << 20;
// New content in one round; the rest waits for the next.
constexpr uint64_t kBytesPerRound = 32 << 20;
constexpr int64_t kKeptBytesPerRound = 24 << 20;
// How long deletions wait for the other half of a move, and for more of them.
constexpr absl::Duration kDeletionQuiet = absl::Milliseconds(250);
constexpr absl::Duration kDeletionLongest = absl::Seconds(10);
constexpr absl::Duration kBusyFirst = absl::Milliseconds(50);
constexpr size_t kPathsPerTask = 32;

}  // namespace

struct CommitFlow::Round {
  std::vector<Situation> items;
  std::set<RelPath> paths;
  uint64_t bytes = 0;
  bool large = false;
  bool whole_tree = false;  // holds a moved tree: its size is the tree's
  // Where things moved, both ways.
  std::map<RelPath, RelPath> moved_to;
  std::map<RelPath, RelPath> moved_from;
  std::atomic<int64_t> keep_budget = kKeptBytesPerRound;
  std::atomic<int> tasks = 0;
  absl::Time started;
};

struct CommitFlow::Batch {
  uint64_t number = 0;
  std::vector<PendingChange> changes;
  std::vector<UploadItem> uploads;
  std::vector<TravellingChunk> inline_chunks;
  std::map<RelPath, size_t> deletions;  // index into changes, until they are ordered
  // Keeps what the uploads point to.
  RoundPtr round;
};

CommitFlow::CommitFlow(EngineContext* context, ApplyFlow* apply, Executor* lane,
                       Executor* large_lane)
    : context_(context),
      apply_(apply),
      lane_(lane),
      large_lane_(large_lane),
      uploader_(context),
      large_uploader_(context) {}

bool CommitFlow::Step() {
  if (!context_->welcome.has_value() || Resolving()) return false;
  bool moved = false;
  while (rounds_ - large_rounds_ < kRoundsInProgress && awaiting_.size() < 8) {
    std::vector<RelPath> ready = context_->dirty.TakeReady(context_->clock->Now(), kPathsPerRound);
    if (ready.empty()) break;
    StartRound(std::move(ready));
    moved = true;
  }
  return moved;
}

void CommitFlow::StartRound(std::vector<RelPath> paths) {
  auto round = std::make_shared<Round>();
  round->started = context_->clock->Now();
  for (const RelPath& path : paths) {
    if (round->large || round->bytes >= kBytesPerRound) {
      context_->Dirty(path);
    } else {
      Add(path, *round);
    }
  }
  if (round->items.empty()) return;
  ++rounds_;
  if (round->large) ++large_rounds_;
  Read(std::move(round));
}

// Looks at `path` and puts it into the round, unless there is nothing to decide or it must wait.
void CommitFlow::Add(const RelPath& path, Round& round, bool with_its_directory) {
  if (path.IsRoot() || round.paths.contains(path)) return;
  if (!context_->in_flight.Claim(path)) return;
  absl::StatusOr<Situation> examined = Examine(*context_, path);
  if (!examined.ok()) {
    context_->Release(path);
    context_->Fail(path, examined.status());
    return;
  }
  Situation situation = *std::move(examined);
  if (situation.look.presence == Look::Presence::kUnknown) {
    context_->Release(path);
    context_->Fail(path, situation.look.why);
    return;
  }
  const bool nothing =
      !situation.remote.has_value() &&
      (situation.LocalUnchanged() || (situation.absent() && !situation.base.has_value()));
  if (nothing) {
    context_->Release(path);
    if (context_->unknown.erase(path) > 0) {
      // It could not be listed: only another scan can tell.
      context_->scan_subtree(path);
    } else {
      context_->failures.Clear(path);
    }
    return;
  }
  if (absl::Status proven = ProveSameFileSystem(situation); !proven.ok()) {
    context_->Release(path);
    context_->Fail(path, proven);
    return;
  }
  if (situation.absent() && situation.base.has_value() && !situation.remote.has_value() &&
      !with_its_directory && !DeletionsMayGo(path)) {
    context_->Release(path);
    context_->DirtyAfter(path, kDeletionQuiet);
    return;
  }
  if (situation.NeedsContent()) FindMove(situation, round);
  if (situation.is_directory() && !situation.base.has_value()) FindMove(situation, round);
  if (situation.NeedsContent()) {
    const uint64_t size = situation.look.entry.fingerprint.size;
    if (size >= kLargeFile && !round.whole_tree) {
      if (!round.items.empty() || large_rounds_ >= kLargeRounds) {
        // Large files go alone.
        context_->Release(path);
        context_->DirtyAfter(
            path, large_rounds_ >= kLargeRounds ? absl::Milliseconds(100) : absl::ZeroDuration());
        return;
      }
      round.large = true;
    }
    round.bytes += size;
  }
  round.paths.insert(path);
  // A directory that went takes everything below it along.
  const bool tree_gone = situation.absent() && situation.base.has_value() &&
                         situation.base->entry.type == EntryType::kDirectory;
  round.items.push_back(std::move(situation));
  if (!tree_gone) return;
  const absl::StatusOr<std::vector<BaseRow>> rows = context_->state->BaseTree(path);
  if (!rows.ok()) return;
  for (const BaseRow& row : *rows) {
    if (row.entry.path != path && round.items.size() < context_->welcome->changes_per_batch) {
      Add(row.entry.path, round, /*with_its_directory=*/true);
    }
  }
}

// A mount that came or went makes a tree look deleted or replaced. What it looks like is believed
// only on the device that it was on when it was last in step.
absl::Status CommitFlow::ProveSameFileSystem(const Situation& situation) {
  static constexpr char kWhy[] =
      "another file system is mounted here, or a mount that was here is gone";
  if (!situation.base.has_value()) return absl::OkStatus();
  if (situation.is_directory() && situation.base->entry.type == EntryType::kDirectory) {
    const bool same = situation.look.entry.fingerprint.device == situation.base->fingerprint.device;
    return same ? absl::OkStatus() : FailedPrecondition("{}", kWhy);
  }
  if (!situation.absent()) return absl::OkStatus();
  for (RelPath above = situation.path.Parent(); !above.IsRoot(); above = above.Parent()) {
    const Look look = context_->location->LookAt(above);
    if (look.presence == Look::Presence::kUnknown) return look.why;
    if (look.presence == Look::Presence::kAbsent) continue;
    FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, context_->state->GetBase(above));
    const bool moved = base.has_value() && look.entry.type == LocalType::kDirectory &&
                       base->fingerprint.device != look.entry.fingerprint.device;
    return moved ? FailedPrecondition("{} ({})", kWhy, above.ForPeople()) : absl::OkStatus();
  }
  return absl::OkStatus();
}

// Something new stands here: did it come from another name? Then its content is known (its stat
// is the base's; a file whose ctime moved with it is read), and the commit says so.
void CommitFlow::FindMove(Situation& situation, Round& round) {
  if (situation.base.has_value() || no_move_.contains(situation.path)) return;
  const Fingerprint& fingerprint = situation.look.entry.fingerprint;
  absl::StatusOr<std::optional<BaseRow>> row =
      context_->state->BaseByInode(fingerprint.device, fingerprint.inode);
  if (!row.ok() || !row->has_value()) return;
  const BaseRow& from = **row;
  const RelPath old = from.entry.path;
  if (round.moved_to.contains(old) || no_move_.contains(old)) return;
  if (context_->location->LookAt(old).presence != Look::Presence::kAbsent) return;
  const bool directory = situation.is_directory();
  if (directory != (from.entry.type == EntryType::kDirectory)) return;
  if (!round.paths.contains(old)) {
    if (context_->in_flight.Contains(old)) return;
    // Both halves go together: the deletion need not wait.
    const absl::StatusOr<std::optional<Entry>> remote = context_->state->GetRemote(old);
    if (!remote.ok() || remote->has_value()) return;
    context_->in_flight.Claim(old);
    context_->dirty.Remove(old);
    Situation gone;
    gone.path = old;
    gone.look.presence = Look::Presence::kAbsent;
    gone.base = from;
    round.paths.insert(old);
    round.items.push_back(std::move(gone));
  }
  round.moved_to[old] = situation.path;
  round.moved_from[situation.path] = old;
  if (!directory) {
    situation.origin = from.entry.content;
    if (fingerprint == from.fingerprint) situation.moved_from = from;
    return;
  }
  AddMovedTree(situation, from, round);
}

// Everything below a directory that moved belongs into the same commit, so that receivers can
// rename it in one.
void CommitFlow::AddMovedTree(const Situation& directory, const BaseRow& from, Round& round) {
  round.whole_tree = true;
  const absl::StatusOr<std::vector<BaseRow>> rows = context_->state->BaseTree(from.entry.path);
  if (!rows.ok() || rows->size() * 2 > context_->welcome->changes_per_batch) return;
  for (const BaseRow& row : *rows) {
    const RelPath& old = row.entry.path;
    if (old == from.entry.path) continue;
    const RelPath now = old.Rebased(from.entry.path, directory.path);
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
    context_->in_flight.Claim(old);
    context_->in_flight.Claim(now);
    context_->dirty.Remove(old);
    context_->dirty.Remove(now);
    Situation gone;
    gone.path = old;
    gone.look.presence = Look::Presence::kAbsent;
    gone.base = row;
    Situation come;
    come.path = now;
    come.look = look;
    if (row.entry.type == EntryType::kFile) come.moved_from = row;
    round.moved_to[old] = now;
    round.moved_from[now] = old;
    round.paths.insert(old);
    round.paths.insert(now);
    round.items.push_back(std::move(gone));
    round.items.push_back(std::move(come));
  }
}

// Deletions wait until no more of them come, so that halves of moves meet and an emptied root
// is seen for what it is.
bool CommitFlow::DeletionsMayGo(const RelPath& path) {
  const absl::Time now = context_->clock->Now();
  if (!context_->deletions_seen.contains(path)) {
    context_->deletions_seen.insert(path);
    last_deletion_seen_ = now;
    first_deletion_held_ = std::min(first_deletion_held_, now);
    return false;
  }
  if (now - last_deletion_seen_ < kDeletionQuiet && now - first_deletion_held_ < kDeletionLongest) {
    return false;
  }
  if (absl::Status root = context_->check_root_for_deletions(); !root.ok()) {
    context_->halt = root;
    return false;
  }
  context_->deletions_seen.erase(path);
  if (context_->deletions_seen.empty()) first_deletion_held_ = absl::InfiniteFuture();
  return true;
}

void CommitFlow::Read(RoundPtr round) {
  std::vector<size_t> to_read;
  for (size_t i = 0; i < round->items.size(); ++i) {
    if (!round->items[i].NeedsContent()) continue;
    to_read.push_back(i);
    const auto busy = context_->busy.find(round->items[i].path);
    if (busy != context_->busy.end()) round->items[i].busy_attempts = busy->second;
  }
  if (to_read.empty()) {
    DecideAll(round);
    return;
  }
  const int tasks = static_cast<int>((to_read.size() + kPathsPerTask - 1) / kPathsPerTask);
  round->tasks = tasks;
  for (int task = 0; task < tasks; ++task) {
    const size_t begin = task * kPathsPerTask;
    const size_t end = std::min(to_read.size(), begin + kPathsPerTask);
    std::vector<size_t> part(to_read.begin() + begin, to_read.begin() + end);
    context_->pool->Schedule([this, round, part = std::move(part)] {
      for (const size_t i : part) {
        Situation& situation = round->items[i];
        const uint32_t previous =
            situation.base.has_value() ? situation.base->entry.content.average_size : 0;
        situation.file = context_->preparer->Prepare(situation.path, previous, /*exact=*/false,
                                                     situation.busy_attempts, round->keep_budget);
      }
      if (--round->tasks == 0) {
        context_->mailbox.Post([this, round] { DecideAll(round); });
      }
    });
  }
}

void CommitFlow::DecideAll(RoundPtr round) {
  auto batch = std::make_shared<Batch>();
  batch->round = round;
  std::vector<Situation> to_apply;
  std::sort(round->items.begin(), round->items.end(),
            [](const Situation& a, const Situation& b) { return a.path < b.path; });
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

// The two sides may have cut the same bytes differently: then only reading with the other's
// chunk sizes tells whether they are equal.
bool CommitFlow::ReadAgainToCompare(Situation& situation) {
  if (!situation.remote.has_value() || situation.remote->type != EntryType::kFile) return false;
  const Content& there = situation.remote->content;
  const Content& here = situation.file->content;
  if (there.size != here.size || there.average_size == here.average_size) return false;
  std::atomic<int64_t> keep = 0;
  PreparedFile again = context_->preparer->Prepare(situation.path, there.average_size,
                                                   /*exact=*/true, /*busy_attempts=*/0, keep);
  if (again.kind != PreparedFile::Kind::kReady || again.content.hash != there.hash) return false;
  situation.file = std::move(again);
  return true;
}

void CommitFlow::DecideOne(Situation& situation, Round& round, Batch& batch,
                           std::vector<Situation>& to_apply) {
  const RelPath path = situation.path;
  if (situation.file.has_value()) {
    switch (situation.file->kind) {
      case PreparedFile::Kind::kReady:
        ReadAgainToCompare(situation);
        break;
      case PreparedFile::Kind::kBusy: {
        context_->Release(path);
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
  const Action action = Decide(*context_, situation);
  switch (action.kind) {
    case Action::Kind::kNothing: {
      // Looked different, is the same: remember how it looks now.
      State& state = *context_->state;
      absl::Status status = state.DeleteRemote(path);
      if (status.ok() && situation.base.has_value() && situation.present()) {
        BaseRow row = *situation.base;
        row.fingerprint = situation.file.has_value() ? situation.file->fingerprint
                                                     : situation.look.entry.fingerprint;
        status = state.PutBase(row);
      }
      if (!status.ok()) context_->Fail(path, status);
      context_->failures.Clear(path);
      context_->Release(path);
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
      // In a mirror the other side's state may be the base itself.
      if (!situation.remote.has_value()) situation.remote = situation.base->entry;
      if (situation.file.has_value()) {
        situation.look.entry.fingerprint = situation.file->fingerprint;
      }
      to_apply.push_back(situation);
      return;
    case Action::Kind::kAgree: {
      State::Transaction transaction(context_->state);
      absl::Status status = context_->state->DeleteRemote(path);
      if (status.ok() && situation.remote.has_value() && situation.remote->IsLive()) {
        status = context_->state->PutBase({*situation.remote, context_->incarnation,
                                           situation.file.has_value()
                                               ? situation.file->fingerprint
                                               : situation.look.entry.fingerprint});
      } else if (status.ok()) {
        status = context_->state->DeleteBase(path);
      }
      if (status.ok()) status = transaction.Commit();
      if (!status.ok()) {
        context_->Fail(path, status);
      } else {
        context_->failures.Clear(path);
      }
      context_->Release(path);
      return;
    }
    case Action::Kind::kConflictKeepBoth:
    case Action::Kind::kConflictLocalAside: {
      LocalEntry local = situation.look.entry;
      if (situation.file.has_value()) local.fingerprint = situation.file->fingerprint;
      const absl::StatusOr<RelPath> copy = MoveToConflictCopy(*context_, local);
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
      context_->Fail(path, FailedPrecondition("{}", action.why));
      return;
  }
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
  pending.fingerprint =
      situation.file.has_value() ? situation.file->fingerprint : situation.look.entry.fingerprint;
  pending.change.base_version = situation.BaseVersion();
  if (const auto origin = context_->conflict_origin.find(situation.path);
      origin != context_->conflict_origin.end()) {
    pending.change.conflict_of = origin->second;
  }
  if (situation.file.has_value()) {
    UploadItem upload;
    upload.path = situation.path;
    upload.file = &*situation.file;
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
  batch.deletions[situation.path] = batch.changes.size();
  batch.changes.push_back(std::move(pending));
}

// A directory here, a file there: the directory takes the name, and the file goes on as a
// conflict copy, which is then downloaded like any other entry.
void CommitFlow::AddRemoteAside(const Situation& situation, Batch& batch) {
  const int64_t now = absl::ToUnixSeconds(context_->clock->Now());
  RelPath copy;
  for (int attempt = 0; attempt < 1000; ++attempt) {
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
  PendingChange directory;
  directory.change.entry = ToEntry(situation.look.entry);
  directory.change.entry.path = situation.path;
  directory.change.base_version = situation.remote->version;
  directory.fingerprint = situation.look.entry.fingerprint;
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
  context_->Emit(SyncEvent::Kind::kConflict, situation.path, copy.ForPeople());
  context_->scan_subtree(situation.path);
}

void CommitFlow::Send(BatchPtr batch, bool large) {
  const WelcomeInfo welcome = *context_->welcome;
  Executor* lane = large ? large_lane_ : lane_;
  Uploader* uploader = large ? &large_uploader_ : &uploader_;
  lane->Schedule([this, batch, welcome, uploader] {
    absl::Status status = uploader->Upload(welcome, batch->uploads, batch->inline_chunks);
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
        context_->DirtyAfter(path, kBusyFirst);
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
  absl::StatusOr<uint64_t> number = context_->state->AddPendingBatch(batch->changes);
  if (!number.ok()) {
    Unsent(batch, number.status());
    return;
  }
  batch->number = *number;
  awaiting_[*number] = batch;
  FinishRound(*batch);
  std::vector<Change> changes;
  changes.reserve(batch->changes.size());
  for (const PendingChange& pending : batch->changes) changes.push_back(pending.change);
  // A stream that broke is noticed by its reader; the batch is sent again after it.
  (void)context_->link->SendCommit(*number, changes, batch->inline_chunks);
  batch->inline_chunks.clear();
}

void CommitFlow::FinishRound(Batch& batch) {
  if (batch.round == nullptr) return;
  --rounds_;
  if (batch.round->large) --large_rounds_;
  const absl::Time now = context_->clock->Now();
  for (const UploadItem& item : batch.uploads) {
    context_->dirty.Handled(item.path, now, now - batch.round->started);
  }
  batch.uploads.clear();
  batch.round.reset();
}

void CommitFlow::Unsent(const BatchPtr& batch, const absl::Status& why) {
  const bool passing = absl::IsUnavailable(why) || absl::IsCancelled(why);
  if (!passing) context_->log->Warn("upload: {}", Describe(why));
  for (const PendingChange& pending : batch->changes) {
    const RelPath& path = pending.change.entry.path;
    context_->Release(path);
    context_->DirtyAfter(path, passing ? absl::ZeroDuration() : absl::Seconds(2));
  }
  FinishRound(*batch);
}

void CommitFlow::OnCommitResult(uint64_t number, CommitResult result, const std::string& failure) {
  std::vector<PendingChange> changes;
  const bool resent = resent_.erase(number) > 0;
  if (const auto it = awaiting_.find(number); it != awaiting_.end()) {
    changes = std::move(it->second->changes);
    awaiting_.erase(it);
  } else if (resent) {
    const absl::StatusOr<std::vector<PendingBatch>> pending = context_->state->PendingBatches();
    if (!pending.ok()) return;
    for (const PendingBatch& batch : *pending) {
      if (batch.number == number) changes = batch.changes;
    }
  } else {
    return;
  }
  const bool answered = failure.empty() && result.outcomes.size() == changes.size();
  if (!answered) {
    context_->log->Warn("the server could not commit a batch: {}",
                        failure.empty() ? "its answer does not fit" : failure);
  }
  {
    State::Transaction transaction(context_->state);
    absl::Status status = context_->state->DeletePendingBatch(number);
    for (size_t i = 0; status.ok() && answered && i < changes.size(); ++i) {
      status = Settle(changes[i], result.outcomes[i]);
    }
    if (status.ok()) status = transaction.Commit();
    if (!status.ok()) context_->halt = Annotate(status, "cannot record a commit");
  }
  for (const PendingChange& pending : changes) {
    const RelPath& path = pending.change.entry.path;
    if (!resent) context_->Release(path);
    if (!answered) context_->DirtyAfter(path, absl::Seconds(2));
  }
  if (answered) {
    ++context_->stats.commits;
    context_->head_version = std::max(context_->head_version, result.head_version);
  }
}

// Records what became of one change; inside a transaction.
absl::Status CommitFlow::Settle(const PendingChange& pending, const ChangeOutcome& outcome) {
  State& state = *context_->state;
  const Entry& entry = pending.change.entry;
  const RelPath& path = entry.path;
  switch (outcome.kind) {
    case ChangeOutcome::Kind::kAccepted: {
      context_->failures.Clear(path);
      check_all_.erase(path);
      no_move_.erase(path);
      context_->conflict_origin.erase(path);
      FS_ASSIGN_OR_RETURN(const std::optional<Entry> remote, state.GetRemote(path));
      if (remote.has_value() && remote->version > outcome.version) {
        context_->Dirty(path);
      } else {
        FS_RETURN_IF_ERROR(state.DeleteRemote(path));
      }
      FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, state.GetBase(path));
      if (base.has_value() && base->entry.version > outcome.version) return absl::OkStatus();
      if (!entry.IsLive()) {
        context_->Emit(SyncEvent::Kind::kDeletedThere, path);
        return state.DeleteBase(path);
      }
      Entry committed = entry;
      committed.version = outcome.version;
      if (pending.fingerprint.inode == 0) {
        // A conflict copy that stands on the server only: it is fetched now.
        context_->Dirty(path);
        return state.PutRemote(committed);
      }
      context_->Emit(SyncEvent::Kind::kUploaded, path);
      return state.PutBase({committed, context_->incarnation, pending.fingerprint});
    }
    case ChangeOutcome::Kind::kSuperseded: {
      Entry current = outcome.current.value_or(Entry());
      current.path = path;
      context_->Dirty(path);
      return state.PutRemote(current);
    }
    case ChangeOutcome::Kind::kMissingChunks:
      check_all_.insert(path);
      context_->Dirty(path);
      return absl::OkStatus();
    case ChangeOutcome::Kind::kRejected:
      break;
  }
  switch (outcome.reason) {
    case RejectReason::kMovePartner:
      no_move_.insert(path);
      context_->Dirty(path);
      break;
    case RejectReason::kParentMissing:
      // An ancestor is no directory there (any more): it is to be decided first.
      for (RelPath parent = path.Parent(); !parent.IsRoot(); parent = parent.Parent()) {
        context_->Dirty(parent);
      }
      [[fallthrough]];
    case RejectReason::kNotEmpty:
      // What is below it there is on its way here.
      if (context_->rejected[path]++ < 5) {
        context_->DirtyAfter(path, absl::Milliseconds(200));
        break;
      }
      [[fallthrough]];
    case RejectReason::kMalformed:
      context_->rejected.erase(path);
      context_->Fail(path, FailedPrecondition("the server refused it: {}", outcome.message));
      break;
  }
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
      context_->DirtyAfter(pending.change.entry.path, absl::Seconds(5));
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
