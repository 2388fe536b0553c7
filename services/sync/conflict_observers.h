// ConflictObservers: who wants to hear what agents hold for a person, and do not any more.
// Thread-safe; calls the observers under its lock, so they must not block nor come back.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

class ConflictObservers {
 public:
  using Observer = std::function<void(const ConflictNews& news)>;

  uint64_t Add(FolderId folder, Observer observer) {
    absl::MutexLock lock(&mutex_);
    observers_.emplace(++last_, std::make_pair(folder, std::move(observer)));
    return last_;
  }
  // Waits for a call that is being made; after it, no other follows.
  void Remove(uint64_t key) {
    absl::MutexLock lock(&mutex_);
    observers_.erase(key);
  }
  void Announce(FolderId folder, const ConflictNews& news) {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, observer] : observers_) {
      if (observer.first == folder) observer.second(news);
    }
  }

 private:
  absl::Mutex mutex_;
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, std::pair<FolderId, Observer>> observers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
