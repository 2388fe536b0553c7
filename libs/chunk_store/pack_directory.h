// PackDirectory: the pack files of a store, NUMBER.pack each: one that is appended to, and the
// others, opened when they are read. Thread-safe.
//
// A table of the key-value store knows every pack and how large it was at least, so that one
// that got lost or cut is noticed when the store opens, not when a chunk of it is wanted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/chunk_store/pack_file.h"
#include "libs/kv/kv_store.h"

namespace filesync {

class PackDirectory {
 public:
  // Makes `path` when it is missing. `store` must outlive the result. Packs are closed for good
  // when they reach `pack_size`. Errors: DataLoss when a pack is missing or too short.
  static absl::StatusOr<std::unique_ptr<PackDirectory>> Open(const std::string& path,
                                                             KvStore* store, KvTable table,
                                                             uint64_t pack_size);

  // The pack to append to.
  absl::StatusOr<std::shared_ptr<PackFile>> Current();
  // Any pack. DataLoss when it does not exist.
  absl::StatusOr<std::shared_ptr<PackFile>> Get(uint64_t number);

 private:
  PackDirectory(UniqueFd directory, KvStore* store, KvTable table, uint64_t pack_size)
      : directory_(std::move(directory)), store_(store), table_(table), pack_size_(pack_size) {}

  absl::Status Check();
  absl::StatusOr<std::shared_ptr<PackFile>> OpenPack(uint64_t number, int flags);
  absl::Status Remember(uint64_t number, uint64_t size);

  const UniqueFd directory_;
  KvStore* const store_;
  const KvTable table_;
  const uint64_t pack_size_;
  absl::Mutex mutex_;
  uint64_t highest_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<PackFile> current_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::shared_ptr<PackFile>> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
