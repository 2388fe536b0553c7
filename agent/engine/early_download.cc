#include "agent/engine/early_download.h"

#include <algorithm>

#include "agent/engine/filters.h"
#include "libs/base/status.h"
#include "libs/content/frame.h"

namespace filesync {
namespace {

// More at a time would cost disk space for what may never be committed.
constexpr size_t kMostFiles = 4;
// Who falls so far behind fetches the rest when it is committed.
constexpr size_t kMostChunksQueued = 128 << 10;
// Fetched in one go.
constexpr size_t kChunksPerTurn = 128;
constexpr absl::Duration kForgetAfter = absl::Minutes(10);
// Who sends is heard of more often.
constexpr absl::Duration kIdleAfter = absl::Minutes(1);

}  // namespace

// Nobody may ask for content that is not wanted, or would have to be looked at first.
bool EarlyDownload::Wants(const UpcomingPart& part) const {
  return context_->welcome.has_value() && context_->halt.ok() && IsReceived(context_->mode) &&
         context_->winner == Winner::kNone && !context_->fetches && context_->focus.everything() &&
         part.size >= kLargeFile && !context_->filters->Ignores(part.path, false);
}

void EarlyDownload::Take(const std::string& agent_id, UpcomingPart part) {
  if (!Wants(part)) return;
  holds_some_ = true;
  last_news_ = context_->clock->Now();
  const Key key(agent_id, part.transfer);
  {
    absl::MutexLock lock(&mutex_);
    if (queued_chunks_ + part.chunks.size() > kMostChunksQueued) return;
    queued_chunks_ += part.chunks.size();
    UpcomingPart* const last = queued_.empty() ? nullptr : &queued_.back().second;
    if (last != nullptr && queued_.back().first == key &&
        last->first + last->chunks.size() == part.first &&
        last->chunks.size() + part.chunks.size() <= kChunksPerTurn) {
      last->chunks.insert(last->chunks.end(), part.chunks.begin(), part.chunks.end());
    } else {
      queued_.emplace_back(key, std::move(part));
    }
    if (std::exchange(scheduled_, true)) return;
  }
  ScheduleNext(context_->welcome->folder);
}

// A part at a time, so that what was committed meanwhile gets its turn.
void EarlyDownload::ScheduleNext(FolderId folder) {
  lane_->Schedule([this, folder] { FetchNext(folder); });
}

void EarlyDownload::FetchNext(FolderId folder) {
  const uint64_t generation = generation_;
  std::optional<std::pair<Key, UpcomingPart>> next;
  bool more = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!queued_.empty()) {
      next = std::move(queued_.front());
      queued_.pop_front();
      queued_chunks_ -= next->second.chunks.size();
    }
    more = scheduled_ = !queued_.empty();
  }
  if (next.has_value()) Fetch(folder, next->first, next->second, generation);
  if (more) ScheduleNext(folder);
}

void EarlyDownload::DropAll() {
  if (!std::exchange(holds_some_, false)) return;
  ++generation_;
  {
    absl::MutexLock lock(&mutex_);
    queued_.clear();
    queued_chunks_ = 0;
  }
  lane_->Schedule([this] { files_.clear(); });
}

void EarlyDownload::Tick() {
  if (holds_some_ && context_->clock->Now() - last_news_ > kForgetAfter) DropAll();
}

// What was never committed makes room for what is sent now.
void EarlyDownload::ForgetIdle() {
  const absl::Time now = context_->clock->Now();
  std::erase_if(files_, [&](const auto& file) { return now - file.second.heard > kIdleAfter; });
}

bool EarlyDownload::Begin(const Key& key, const UpcomingPart& part) {
  files_.erase(key);
  if (files_.size() >= kMostFiles) ForgetIdle();
  if (files_.size() >= kMostFiles) return false;
  // Nothing is reserved, as it may never be committed; and what is sure to come has as much room.
  absl::StatusOr<std::unique_ptr<StagedFile>> staged =
      context_->location->StageSparse(part.path, 2 * part.size);
  if (!staged.ok()) return false;
  File& file = files_[key];
  file.path = part.path;
  file.size = part.size;
  file.begun.staged = *std::move(staged);
  return true;
}

void EarlyDownload::Fetch(FolderId folder, const Key& key, const UpcomingPart& part,
                          uint64_t generation) {
  if (part.first == 0 && !Begin(key, part)) return;
  const auto found = files_.find(key);
  // Where something in between was left out, the beginning is all there is.
  if (found == files_.end() || found->second.chunks.size() != part.first) return;
  File& file = found->second;
  file.heard = context_->clock->Now();
  std::vector<ChunkId> ids;
  ids.reserve(part.chunks.size());
  for (const ChunkRef& ref : part.chunks) ids.push_back(ref.id);
  absl::Status appended;
  (void)context_->link->Download(folder, ids, [&](size_t index, const absl::Cord& frame) {
    appended = generation == generation_ ? Append(file, part.chunks[index], frame)
                                         : Cancelled("nobody wants it any more");
    return appended;
  });
  // It may end anywhere.
  if (!appended.ok()) files_.erase(found);
}

bool EarlyDownload::GiveWay() {
  const bool some = !files_.empty();
  files_.clear();
  return some;
}

absl::Status EarlyDownload::Append(File& file, const ChunkRef& ref, const absl::Cord& frame) {
  FS_ASSIGN_OR_RETURN(const absl::Cord plain,
                      DecodeAndVerifyFrame(frame, ChunkKind::kData, ref.id));
  if (plain.size() != ref.size) return DataLoss("a chunk is not of the size that was told");
  if (file.begun.bytes + ref.size > file.size) return DataLoss("the file is larger than was told");
  if (file.chunks.empty()) file.begun.looks = LookAtHead(plain);
  for (const absl::string_view piece : plain.Chunks()) {
    FS_RETURN_IF_ERROR(file.begun.staged->Append({piece.data(), piece.size()}));
  }
  file.chunks.push_back(ref);
  file.begun.bytes += ref.size;
  return absl::OkStatus();
}

std::optional<EarlyDownload::Begun> EarlyDownload::Adopt(const RelPath& path,
                                                         const std::vector<ChunkRef>& chunks) {
  std::optional<Begun> begun;
  for (auto it = files_.begin(); it != files_.end();) {
    File& file = it->second;
    const bool begins_so = !file.chunks.empty() && file.chunks.size() <= chunks.size() &&
                           std::equal(file.chunks.begin(), file.chunks.end(), chunks.begin());
    if (begins_so && (!begun.has_value() || begun->chunks < file.chunks.size())) {
      file.begun.chunks = file.chunks.size();
      begun = std::move(file.begun);
    } else if (file.path != path) {
      ++it;
      continue;
    }
    it = files_.erase(it);
  }
  return begun;
}

}  // namespace filesync
