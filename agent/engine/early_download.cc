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
constexpr size_t kMostChunksQueued = 16'384;
constexpr absl::Duration kForgetAfter = absl::Minutes(10);

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
  absl::MutexLock lock(&mutex_);
  if (queued_chunks_ + part.chunks.size() > kMostChunksQueued) return;
  queued_chunks_ += part.chunks.size();
  if (!queued_.empty() && queued_.back().first == key &&
      part.first == queued_.back().second.first + queued_.back().second.chunks.size()) {
    std::vector<ChunkRef>& chunks = queued_.back().second.chunks;
    chunks.insert(chunks.end(), part.chunks.begin(), part.chunks.end());
    return;
  }
  queued_.emplace_back(key, std::move(part));
  lane_->Schedule([this, folder = context_->welcome->folder] { FetchQueued(folder); });
}

void EarlyDownload::FetchQueued(FolderId folder) {
  std::vector<std::pair<Key, UpcomingPart>> parts;
  {
    absl::MutexLock lock(&mutex_);
    parts = std::exchange(queued_, {});
    queued_chunks_ = 0;
  }
  for (const auto& [key, part] : parts) Fetch(folder, key, part);
}

void EarlyDownload::DropAll() {
  if (!std::exchange(holds_some_, false)) return;
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

bool EarlyDownload::Begin(const Key& key, const UpcomingPart& part) {
  files_.erase(key);
  if (files_.size() >= kMostFiles) return false;
  // Where there is no room, the commit is what says so.
  absl::StatusOr<std::unique_ptr<StagedFile>> staged = context_->location->Stage(part.size);
  if (!staged.ok()) return false;
  File& file = files_[key];
  file.path = part.path;
  file.size = part.size;
  file.begun.staged = *std::move(staged);
  return true;
}

void EarlyDownload::Fetch(FolderId folder, const Key& key, const UpcomingPart& part) {
  if (part.first == 0 && !Begin(key, part)) return;
  const auto found = files_.find(key);
  // Where something in between was left out, the beginning is all there is.
  if (found == files_.end() || found->second.chunks.size() != part.first) return;
  File& file = found->second;
  std::vector<ChunkId> ids;
  ids.reserve(part.chunks.size());
  for (const ChunkRef& ref : part.chunks) ids.push_back(ref.id);
  absl::Status appended;
  (void)context_->link->Download(folder, ids, [&](size_t index, const absl::Cord& frame) {
    return appended = Append(file, part.chunks[index], frame);
  });
  // It may end anywhere.
  if (!appended.ok()) files_.erase(found);
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
