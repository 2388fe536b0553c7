#include "agent/engine/apply_flow.h"

#include <algorithm>
#include <utility>

#include "agent/engine/apply_round.h"
#include "agent/engine/mounts_below.h"
#include "agent/engine/moves.h"
#include "agent/engine/rename_follow.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kApplyRoundsInProgress = 3;
// A commit with moves is collected up to this many entries before it is applied.
constexpr size_t kMostJoined = 250'000;
// The state is kept from others for so many at a time.
constexpr size_t kEntriesPerReading = 1000;

bool HasMoves(const RemoteSlice& slice) {
  return std::any_of(slice.entries.begin(), slice.entries.end(), [](const Entry& entry) {
    return !entry.moved_from.IsRoot() || !entry.moved_to.IsRoot();
  });
}

// It takes the place of a file that was in step, which is a loss if the two are unrelated.
bool Replaces(const Situation& situation) {
  return situation.base.has_value() && situation.is_file();
}

// How many files' contents it names, and how large they are.
std::pair<uint64_t, uint64_t> FilesIn(const RemoteSlice& slice) {
  std::pair<uint64_t, uint64_t> in;
  for (const Entry& entry : slice.entries) {
    if (entry.type != EntryType::kFile) continue;
    ++in.first;
    in.second += entry.content.size;
  }
  return in;
}

}  // namespace

ApplyFlow::ApplyFlow(EngineContext* context, IncomingGate* gate, Executor* lane,
                     Executor* large_lane)
    : context_(context),
      gate_(gate),
      lane_(lane),
      large_lane_(large_lane),
      fetcher_(context),
      early_(context, large_lane),
      large_fetcher_(context, &early_) {}

void ApplyFlow::AddSlice(RemoteSlice slice) {
  const auto [files, bytes] = FilesIn(slice);
  context_->progress.AddWaiting(files, bytes);
  slices_.push_back(std::move(slice));
}

bool ApplyFlow::Step() {
  bool moved = false;
  while (!rounds_.empty() && rounds_.front()->fetched) {
    const RoundPtr round = rounds_.front();
    Finish(*round);
    rounds_.pop_front();
    moved = true;
  }
  while (!slices_.empty() && (stashing_ || rounds_.size() < kApplyRoundsInProgress) &&
         context_->welcome.has_value()) {
    if (!StartSlice()) break;
    moved = true;
  }
  return moved;
}

bool ApplyFlow::StartSlice() {
  // Renames go before everything else of their commit, but not before the commits before it: the
  // directory that something moves to may be about to be made.
  const bool moves = !joined_.entries.empty() || HasMoves(slices_.front());
  if (moves && !stashing_ && !rounds_.empty()) return false;
  RemoteSlice slice = std::move(slices_.front());
  slices_.pop_front();
  const auto [files, bytes] = FilesIn(slice);
  context_->progress.TakeWaiting(files, bytes);
  if (slice_started_) slice_started_();
  context_->head_version = std::max(context_->head_version, slice.head_version);
  std::erase_if(slice.entries,
                [&](const Entry& entry) { return context_->follower->IsStale(entry); });
  context_->follower->Remember(slice.entries);
  if (stashing_) {
    if (absl::Status stashed = Stash(slice); !stashed.ok()) context_->halt = stashed;
    return true;
  }
  // Renames are only seen when all of their commit is at hand.
  if (!joined_.entries.empty() || (slice.more_of_commit && HasMoves(slice))) {
    std::move(slice.entries.begin(), slice.entries.end(), std::back_inserter(joined_.entries));
    std::move(slice.inline_chunks.begin(), slice.inline_chunks.end(),
              std::back_inserter(joined_.inline_chunks));
    joined_.through = slice.through;
    if (slice.more_of_commit && joined_.entries.size() < kMostJoined) return true;
    slice = std::exchange(joined_, RemoteSlice());
  }
  auto round = std::make_shared<Round>();
  round->through = slice.through;
  for (TravellingChunk& chunk : slice.inline_chunks) {
    round->inline_chunks[chunk.id] = std::move(chunk.frame);
  }
  absl::StatusOr<std::set<RelPath>> moved = std::set<RelPath>();
  const bool renames = RenamesAreReceived(context_->mode) && context_->winner == Winner::kNone;
  if (renames) moved = ApplyMoves(*context_, Visible(slice.entries));
  if (!moved.ok()) {
    context_->log->Warn("renames are applied one by one: {}", Describe(moved.status()));
    context_->unrecorded = true;
    moved = std::set<RelPath>();
  }
  const auto lost = [&](const Entry& entry) {
    return !entry.IsLive() && !moved->contains(entry.path);
  };
  const auto losses = std::count_if(slice.entries.begin(), slice.entries.end(), lost);
  round->loses = losses > 0;
  round->few_losses = !gate_->Busy() && gate_->Few(losses);
  // Wherever it went, what was held of it is settled.
  for (const RelPath& path : *moved) gate_->Forget(path);
  round->items.reserve(slice.entries.size());
  for (size_t next = 0; next < slice.entries.size();) {
    const State::Reading reading(context_->state);
    const size_t end = std::min(slice.entries.size(), next + kEntriesPerReading);
    for (; next < end; ++next) {
      const Entry& entry = slice.entries[next];
      if (!moved->contains(entry.path)) PlanEntry(entry, *round);
    }
  }
  StartFetching(std::move(round));
  return true;
}

void ApplyFlow::PlanEntry(const Entry& entry, Round& round) {
  if (!context_->in_flight.Claim(entry.path)) {
    // What the base knows already may be what a commit under way replaces: it must not come back.
    const absl::StatusOr<std::optional<BaseRow>> base = context_->state->GetBase(entry.path);
    const bool old = base.ok() && base->has_value() && (*base)->entry.version >= entry.version;
    if (!old) round.stash.push_back(entry);
    return;
  }
  const bool absent = !round.absent.IsRoot() && entry.path.IsAtOrBelow(round.absent);
  absl::StatusOr<Situation> situation =
      absent ? ExamineAbsent(*context_, entry.path) : Examine(*context_, entry.path);
  if (!situation.ok()) {
    round.stash.push_back(entry);
    round.held.push_back(entry.path);
    context_->Fail(entry.path, situation.status());
    return;
  }
  if (absl::Status proven = ProveItIsSo(*context_, *situation); !proven.ok()) {
    // What is gone or replaced with a mount was not deleted here, nor is it another directory now.
    round.stash.push_back(entry);
    round.held.push_back(entry.path);
    context_->Fail(entry.path, proven);
    return;
  }
  if (!absent && entry.type == EntryType::kDirectory && situation->absent()) {
    round.absent = entry.path;
  }
  const bool known = situation->base.has_value() && situation->base->entry.version >= entry.version;
  if (known) {
    context_->Release(entry.path);
    return;
  }
  if (situation->base.has_value() && situation->base->IsLost()) {
    // Both are looked at by the commit flow, once this one is kept.
    round.stash.push_back(entry);
    round.held.push_back(entry.path);
    return;
  }
  situation->remote = entry;
  if (context_->filters->Ignores(entry.path, situation->IsDirectoryAnywhere())) {
    round.ignored.push_back(entry);
    round.held.push_back(entry.path);
    return;
  }
  Action action;
  if (situation->NeedsContent()) {
    action.kind = Action::Kind::kHold;
  } else {
    action = Decide(*context_, *situation);
  }
  situation->why = action.why;
  // What is missing here and was edited there may be here under another name.
  if (action.conflict && situation->absent()) action.kind = Action::Kind::kHold;
  const Winner winner = WinnerFor(*context_, *situation);
  const std::optional<HeldRow::Loss> loss = IncomingGate::LossOf(*situation, action, winner);
  const bool waits =
      gate_->Holds(entry.path, entry.version) ||
      (loss.has_value() && !GoesUnasked(*situation, *loss, winner, round.few_losses));
  if (waits) action.kind = Action::Kind::kHold;
  Item item;
  item.target = entry;
  switch (action.kind) {
    case Action::Kind::kNothing:
      // An older entry may still be waiting to be applied here, or lie on the shelf: this one
      // takes its place.
      if (!entry.IsLive() && !situation->base.has_value()) round.ignored.push_back(entry);
      round.applied.emplace_back(entry.path, entry.version);
      round.held.push_back(entry.path);
      return;
    case Action::Kind::kDownload:
    case Action::Kind::kAgreeMetadataRemote:
      item.kind = Item::Kind::kInstall;
      break;
    case Action::Kind::kDeleteLocal:
      item.kind = Item::Kind::kDelete;
      break;
    case Action::Kind::kAgree:
      item.kind = Item::Kind::kRecord;
      break;
    default:
      // Not sure: the commit flow looks at it once the entry is kept, and not before, or it would
      // take what is here for news.
      round.stash.push_back(entry);
      round.held.push_back(entry.path);
      return;
  }
  item.situation = *std::move(situation);
  if (AddFetch(item, round)) round.items.push_back(std::move(item));
}

// A directory waits for what is in it, or it would be taken for one that is to be kept.
bool ApplyFlow::GoesUnasked(const Situation& situation, HeldRow::Loss loss, Winner winner,
                            bool few) {
  // Losses other than deletions were not counted before.
  if (winner != Winner::kNone || !few || !gate_->Few(1)) return false;
  if (situation.is_directory()) {
    const absl::StatusOr<bool> below = context_->state->HasRemoteBelow(situation.path);
    if (!below.ok() || *below) return false;
  }
  gate_->Went(situation.path, loss);
  return true;
}

void ApplyFlow::Apply(std::vector<Situation> situations) {
  if (situations.empty()) return;
  auto round = std::make_shared<Round>();
  for (Situation& situation : situations) {
    Item item;
    item.target = *situation.remote;
    item.kind = item.target.IsLive() ? Item::Kind::kInstall : Item::Kind::kDelete;
    item.situation = std::move(situation);
    if (AddFetch(item, *round)) round->items.push_back(std::move(item));
  }
  StartFetching(std::move(round));
}

// Sees to the item's content. False when it has been handed to the large lane.
bool ApplyFlow::AddFetch(Item& item, Round& round) {
  if (item.kind != Item::Kind::kInstall || item.target.type != EntryType::kFile) return true;
  const Situation& situation = item.situation;
  const bool same_content =
      situation.is_file() && EqualContent(situation.LocalEntryNow(), item.target);
  if (same_content) return true;
  const RelPath& path = item.target.path;
  if (const auto ready = large_ready_.find(path); ready != large_ready_.end()) {
    FetchItem fetched = std::move(ready->second);
    large_ready_.erase(ready);
    if (fetched.entry.version == item.target.version) {
      item.fetch = static_cast<int>(round.fetch.size());
      round.fetch.push_back(std::move(fetched));
      return true;
    }
  }
  if (item.target.content.size >= kLargeFile) {
    round.stash.push_back(item.target);
    StartLarge(situation);
    return false;
  }
  context_->progress.Plan(TransferDirection::kDown, path, item.target.content.size);
  FetchItem fetch;
  fetch.entry = item.target;
  fetch.looks_decide = round.loses || Replaces(situation);
  if (situation.base.has_value() && situation.base->entry.type == EntryType::kFile &&
      situation.is_file()) {
    fetch.source = situation.base;
  } else if (item.target.content.size > 0) {
    absl::StatusOr<std::optional<BaseRow>> same =
        context_->state->BaseByContent(item.target.content.hash);
    if (same.ok()) fetch.source = *std::move(same);
  }
  item.fetch = static_cast<int>(round.fetch.size());
  round.fetch.push_back(std::move(fetch));
  return true;
}

void ApplyFlow::StartFetching(RoundPtr round) {
  rounds_.push_back(round);
  round->folder = context_->welcome.has_value() ? context_->welcome->folder : 0;
  const bool needed = std::any_of(round->fetch.begin(), round->fetch.end(),
                                  [](const FetchItem& item) { return item.staged == nullptr; });
  if (!needed) {
    round->fetched = true;
    return;
  }
  lane_->Schedule([this, round] {
    // A large file that is staged already is not fetched again.
    std::vector<FetchItem> unfetched;
    std::vector<size_t> where;
    for (size_t i = 0; i < round->fetch.size(); ++i) {
      if (round->fetch[i].staged != nullptr) continue;
      unfetched.push_back(std::move(round->fetch[i]));
      where.push_back(i);
    }
    fetcher_.Fetch(round->folder, round->inline_chunks, unfetched);
    for (size_t i = 0; i < unfetched.size(); ++i) round->fetch[where[i]] = std::move(unfetched[i]);
    context_->mailbox.Post([round] { round->fetched = true; });
  });
}

void ApplyFlow::StartLarge(const Situation& situation) {
  const RelPath path = situation.path;
  if (!large_.insert(path).second) return;
  auto item = std::make_shared<std::vector<FetchItem>>(1);
  item->front().entry = *situation.remote;
  item->front().looks_decide = Replaces(situation);
  if (situation.base.has_value() && situation.base->entry.type == EntryType::kFile &&
      situation.is_file()) {
    item->front().source = situation.base;
  } else if (absl::StatusOr<std::optional<BaseRow>> same =
                 context_->state->BaseByContent(situation.remote->content.hash);
             same.ok()) {
    item->front().source = *std::move(same);
  }
  context_->progress.Plan(TransferDirection::kDown, path, situation.remote->content.size);
  const FolderId folder = context_->welcome.has_value() ? context_->welcome->folder : 0;
  large_lane_->Schedule([this, path, item, folder] {
    large_fetcher_.Fetch(folder, {}, *item);
    context_->mailbox.Post([this, path, item] { FinishLarge(path, std::move(item->front())); });
  });
}

void ApplyFlow::FinishLarge(const RelPath& path, FetchItem item) {
  large_.erase(path);
  // What is left of it is a rename.
  if (item.status.ok()) context_->progress.Finish(TransferDirection::kDown, path);
  context_->Release(path);
  if (item.status.ok()) {
    large_ready_[path] = std::move(item);
    context_->Dirty(path);
  } else if (absl::IsUnavailable(item.status) || absl::IsCancelled(item.status)) {
    context_->DirtyAfter(path, absl::Seconds(1));
  } else {
    context_->Fail(path, item.status);
  }
}

void ApplyFlow::DropSlices() {
  slices_.clear();
  joined_ = RemoteSlice();
  for (const RoundPtr& round : rounds_) {
    ReleaseAll(*round);
    for (const Item& item : round->items) context_->Dirty(item.target.path);
  }
  rounds_.clear();
}

void ApplyFlow::ReleaseAll(const Round& round) {
  for (const Item& item : round.items) context_->Release(item.target.path);
  for (const RelPath& path : round.held) context_->Release(path);
}

}  // namespace filesync
