// The decorator that keeps the frames stored last in memory.

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"
#include "libs/chunk_store/decorators.h"

namespace filesync {
namespace {

class RecentChunkStore final : public ChunkStore {
 public:
  RecentChunkStore(std::unique_ptr<ChunkStore> store, size_t most_bytes)
      : store_(std::move(store)), most_bytes_(most_bytes) {}

  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    FS_RETURN_IF_ERROR(store_->Put(chunks));
    absl::MutexLock lock(&mutex_);
    for (const StoredChunk& chunk : chunks) Remember(chunk);
    return absl::OkStatus();
  }

  absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) override {
    Frames frames(ids.size());
    std::vector<ChunkId> others;
    std::vector<size_t> where;
    {
      absl::MutexLock lock(&mutex_);
      for (size_t i = 0; i < ids.size(); ++i) {
        if (const auto it = frames_.find(ids[i]); it != frames_.end()) {
          frames[i] = it->second;
        } else {
          others.push_back(ids[i]);
          where.push_back(i);
        }
      }
    }
    if (!others.empty()) {
      FS_ASSIGN_OR_RETURN(Frames read, store_->Read(others, most_bytes));
      for (size_t i = 0; i < read.size(); ++i) frames[where[i]] = std::move(read[i]);
      if (read.size() < others.size()) frames.resize(where[read.size()]);
    }
    size_t bytes = 0;
    for (size_t i = 0; i < frames.size(); ++i) {
      if (frames[i].has_value()) bytes += frames[i]->size();
      if (i > 0 && bytes > most_bytes) frames.resize(i);
    }
    return frames;
  }

  absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) override {
    return store_->Has(ids);
  }

  absl::Status Delete(const std::vector<ChunkId>& ids) override {
    {
      absl::MutexLock lock(&mutex_);
      // What is deleted is hardly ever what came last.
      for (const ChunkId& id : ids) {
        if (Forget(id)) std::erase(order_, id);
      }
    }
    return store_->Delete(ids);
  }

  absl::Status ForEach(
      const std::function<bool(const ChunkId&, const absl::Cord& frame)>& visit) override {
    return store_->ForEach(visit);
  }

 private:
  void Remember(const StoredChunk& chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!frames_.try_emplace(chunk.id, chunk.frame).second) return;
    order_.push_back(chunk.id);
    bytes_ += chunk.frame.size();
    while (bytes_ > most_bytes_) {
      Forget(order_.front());
      order_.pop_front();
    }
  }

  bool Forget(const ChunkId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto it = frames_.find(id);
    if (it == frames_.end()) return false;
    bytes_ -= it->second.size();
    frames_.erase(it);
    return true;
  }

  const std::unique_ptr<ChunkStore> store_;
  const size_t most_bytes_;
  absl::Mutex mutex_;
  absl::flat_hash_map<ChunkId, absl::Cord> frames_ ABSL_GUARDED_BY(mutex_);
  std::deque<ChunkId> order_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<ChunkStore> NewRecentChunkStore(std::unique_ptr<ChunkStore> store,
                                                size_t most_bytes) {
  return std::make_unique<RecentChunkStore>(std::move(store), most_bytes);
}

}  // namespace filesync
