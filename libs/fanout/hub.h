// Hub: wakes whoever follows a folder when its published head moves. Knows no gRPC.
//
// There is no queue: a follower has a cursor and reads from it; the hub only says "there is
// more". A wake-up while one is being handled is kept as one more. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

class Hub {
 public:
  // Called with the new head; must not block (it schedules work elsewhere). Never called again
  // once the Subscription's destructor has returned.
  using Wake = std::function<void(uint64_t head)>;

  class Subscription {
   public:
    ~Subscription();

   private:
    friend class Hub;
    Subscription(Hub* hub, FolderId folder, uint64_t key) : hub_(hub), folder_(folder), key_(key) {}
    Hub* hub_;
    FolderId folder_;
    uint64_t key_;
  };

  // The hub must outlive its subscriptions.
  std::unique_ptr<Subscription> Subscribe(FolderId folder, Wake wake);
  void Published(FolderId folder, uint64_t head);
  size_t Followers(FolderId folder) const;

 private:
  void Unsubscribe(FolderId folder, uint64_t key);

  mutable absl::Mutex mutex_;
  uint64_t next_key_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<FolderId, absl::flat_hash_map<uint64_t, Wake>> followers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
