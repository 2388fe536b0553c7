// The commit flow's first half: which paths are looked at together, and their reading.

#include "agent/engine/commit_flow.h"

#include <algorithm>
#include <utility>

#include "agent/engine/commit_round.h"
#include "agent/engine/host_stops.h"
#include "agent/engine/mounts_below.h"
#include "agent/engine/scanner.h"
#include "agent/engine/shelf.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kCommitRoundsInProgress = 3;
constexpr int kLargeRounds = 1;
constexpr size_t kBatchesAwaited = 8;
constexpr size_t kPathsPerRound = 1000;
// New content in one round; the rest waits for the next.
constexpr uint64_t kBytesPerRound = 32 << 20;
constexpr size_t kPathsPerTask = 32;
constexpr absl::Duration kOtherHalfUnderWay = absl::Milliseconds(50);

}  // namespace

CommitFlow::CommitFlow(EngineContext* context, ApplyFlow* apply, DeletionGate* gate,
                       IncomingGate* incoming, Executor* lane, Executor* large_lane)
    : context_(context),
      apply_(apply),
      gate_(gate),
      incoming_(incoming),
      lane_(lane),
      large_lane_(large_lane),
      uploader_(context),
      large_uploader_(context) {}

bool CommitFlow::Step() {
  if (!context_->welcome.has_value() || Resolving()) return false;
  gate_->Step();
  incoming_->Step();
  bool moved = ApplyAllowed();
  while (rounds_ - large_rounds_ < kCommitRoundsInProgress && awaiting_.size() < kBatchesAwaited) {
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
  round->session = context_->session;
  round->items.reserve(paths.size());
  round->paths.reserve(paths.size());
  {
    const State::Reading reading(context_->state);
    for (const RelPath& path : paths) {
      if (round->large || round->bytes >= kBytesPerRound) {
        context_->Dirty(path);
      } else {
        Add(path, *round);
      }
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
  if (situation.base.has_value() && context_->focus.OnlyLeads(path)) {
    context_->Release(path);
    return;
  }
  situation.verify = situation.verify || check_all_.contains(path);
  if (context_->filters->IsRuleFile(path)) context_->filters->Reload(path.Parent());
  if (context_->filters->Ignores(path, situation.IsDirectoryAnywhere())) {
    PutAway(path);
    return;
  }
  if (situation.look.presence == Look::Presence::kUnknown) {
    context_->Release(path);
    context_->Fail(path, situation.look.why);
    return;
  }
  if (situation.present()) {
    const LocalEntry& here = situation.look.entry;
    if (here.type == LocalType::kOther) context_->SaySkipped(path);
    if (!here.untold.empty()) {
      context_->SayOnce(
          fmt::format("{}: not all of it is carried: {}", path.ForPeople(), here.untold));
    }
  }
  const Mode mode = ModeFor(*context_, situation);
  if (situation.NothingToDecide(mode)) {
    gate_->Forget(path);
    incoming_->Forget(path);
    context_->Release(path);
    context_->ClearFailure(path);
    return;
  }
  if (absl::Status proven = ProveItIsSo(*context_, situation); !proven.ok()) {
    context_->Release(path);
    context_->Fail(path, proven);
    return;
  }
  if (FollowsRename(situation)) return;
  const bool undone =
      situation.remote.has_value() && context_->held.IsUndone(path, HeldRow::Direction::kOutgoing);
  if (!situation.DeletesThere(mode) || with_its_directory || undone) {
    gate_->Forget(path, HeldRow::Loss::kDeleted);
  } else if (const DeletionGate::Answer answer =
                 IsLost(*context_, situation)
                     ? gate_->AskLost(path)
                     : gate_->AskDeletion(path, WinnerFor(*context_, situation));
             answer != DeletionGate::Answer::kGo) {
    context_->Release(path);
    if (answer == DeletionGate::Answer::kLater) {
      context_->DirtyAfter(path, DeletionGate::AskAgainAfter());
    }
    return;
  }
  if (situation.is_file() && situation.look.entry.names > 1) {
    LookAtOtherNames(situation.look.entry);
  }
  const uint64_t size = situation.look.entry.fingerprint.size;
  const bool large = situation.NeedsContent() && size >= kLargeFile && !round.whole_tree;
  if (large && (!round.items.empty() || large_rounds_ >= kLargeRounds)) {
    // Large files go alone, but for the other half of their move, which must not go without them.
    context_->Release(path);
    context_->DirtyAfter(
        path, large_rounds_ >= kLargeRounds ? absl::Milliseconds(100) : absl::ZeroDuration());
    return;
  }
  const bool may_have_moved =
      situation.NeedsContent() || (situation.is_directory() && !situation.base.has_value());
  if (may_have_moved && !FindMove(situation, round)) {
    context_->Release(path);
    context_->DirtyAfter(path, kOtherHalfUnderWay);
    return;
  }
  if (situation.NeedsContent()) {
    round.large = large;
    round.bytes += size;
    context_->progress.TakeWaiting(1, size);
    context_->progress.Plan(TransferDirection::kUp, path, size);
  }
  round.bytes += AttributeBytes(situation.look.entry.attributes);
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

void CommitFlow::PutAway(const RelPath& path) {
  const absl::Status shelved = Shelve(*context_, path);
  gate_->Forget(path);
  incoming_->Forget(path);
  SettleHere(path, shelved);
}

// A file with several names was changed by one of them, which tells nobody of the others.
void CommitFlow::LookAtOtherNames(const LocalEntry& file) {
  const Fingerprint& now = file.fingerprint;
  const absl::StatusOr<std::vector<BaseRow>> rows =
      context_->state->BasesByInode(now.device, now.inode);
  if (!rows.ok()) return;
  for (const BaseRow& row : *rows) {
    if (row.entry.path != file.path && row.fingerprint != now) context_->Dirty(row.entry.path);
  }
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
  // Of an edited or moved file the server has most already: then only what it lacks is read again.
  const Situation& only = round->items[to_read.front()];
  if (round->large && !only.base.has_value() && !only.origin.has_value()) {
    round->early = std::make_shared<EarlyUpload>(&large_uploader_, large_lane_, *context_->welcome,
                                                 only.path, only.look.entry.fingerprint.size);
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
        PrepareRequest request;
        request.path = situation.path;
        if (situation.base.has_value()) {
          request.previous_average = situation.base->entry.content.average_size;
        }
        request.busy_attempts = situation.busy_attempts;
        request.sink = round->early.get();
        situation.file = context_->preparer->Prepare(request, round->keep_budget);
      }
      if (round->early != nullptr) round->early->Finish();
      if (--round->tasks == 0) {
        context_->mailbox.Post([this, round] { DecideAll(round); });
      }
    });
  }
}

}  // namespace filesync
