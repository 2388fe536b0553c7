// The in-memory ChunkStore, for tests and the simulation.

#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/chunk_store/chunk_store.h"

namespace filesync {
namespace {

class MemoryChunkStore final : public ChunkStore {
 public:
  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    absl::MutexLock lock(&mutex_);
    for (const StoredChunk& chunk : chunks) frames_[chunk.id] = chunk.frame;
    return absl::OkStatus();
  }
  absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) override {
    absl::MutexLock lock(&mutex_);
    Frames frames;
    size_t bytes = 0;
    for (const ChunkId& id : ids) {
      const auto it = frames_.find(id);
      bytes += it == frames_.end() ? 0 : it->second.size();
      if (!frames.empty() && bytes > most_bytes) break;
      frames.push_back(it == frames_.end() ? std::nullopt : std::optional(it->second));
    }
    return frames;
  }
  absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) override {
    absl::MutexLock lock(&mutex_);
    std::vector<bool> has;
    has.reserve(ids.size());
    for (const ChunkId& id : ids) has.push_back(frames_.contains(id));
    return has;
  }
  absl::Status Delete(const std::vector<ChunkId>& ids) override {
    absl::MutexLock lock(&mutex_);
    for (const ChunkId& id : ids) frames_.erase(id);
    return absl::OkStatus();
  }
  absl::Status ForEach(
      const std::function<bool(const ChunkId&, const absl::Cord& frame)>& visit) override {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, frame] : frames_) {
      if (!visit(id, frame)) break;
    }
    return absl::OkStatus();
  }

 private:
  absl::Mutex mutex_;
  std::map<ChunkId, absl::Cord> frames_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<ChunkStore> NewMemoryChunkStore() { return std::make_unique<MemoryChunkStore>(); }

}  // namespace filesync
