// KvStore: an ordered key-value store with tables (column families), atomic writes and
// snapshots; the seam behind which RocksDB stands. Thread-safe.
//
// A write is one atomic batch. With `synced` it is on disk when Write returns; without, it
// becomes durable no later than the next synced write (writes become durable in order).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace filesync {

// What to do about a store that can't be read; part of every DATA_LOSS error of what is in it.
inline constexpr char kDamagedStoreAdvice[] =
    "the store is damaged; restore the data directory from a backup, or move it away and start "
    "empty: the agents fill the server again from what they hold";

// Begins every RESOURCE_EXHAUSTED error that is due to the disk; agents show it to people.
inline constexpr char kDiskIsFull[] = "the server's disk is full";

// Index into the table list the store was opened with.
using KvTable = int;

class KvBatch {
 public:
  struct Operation {
    KvTable table;
    std::string key;
    std::optional<std::string> value;  // nullopt: delete
  };
  void Put(KvTable table, std::string key, std::string value) {
    operations_.push_back({table, std::move(key), std::move(value)});
  }
  void Delete(KvTable table, std::string key) {
    operations_.push_back({table, std::move(key), std::nullopt});
  }
  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

// A consistent view; must not outlive its store.
class KvSnapshot {
 public:
  virtual ~KvSnapshot() = default;
};

class KvIterator {
 public:
  virtual ~KvIterator() = default;
  virtual void Seek(std::string_view key) = 0;        // first key >= `key`
  virtual void SeekBefore(std::string_view key) = 0;  // last key < `key`
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual void Previous() = 0;
  virtual std::string_view key() const = 0;  // valid until the next move
  virtual std::string_view value() const = 0;
  // Must be asked after Valid() turned false: an iteration that failed is not an end.
  virtual absl::Status status() const = 0;
};

class KvStore {
 public:
  virtual ~KvStore() = default;
  // NotFound when the key is absent; DataLoss when the stored bytes are damaged. `snapshot`
  // may be null (latest).
  virtual absl::StatusOr<std::string> Get(KvTable table, std::string_view key,
                                          const KvSnapshot* snapshot = nullptr) = 0;
  // One answer per key, in order; nullopt for absent keys. Any other trouble fails the call.
  virtual absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      KvTable table, const std::vector<std::string>& keys) = 0;
  virtual std::unique_ptr<KvIterator> Iterate(KvTable table,
                                              const KvSnapshot* snapshot = nullptr) = 0;
  virtual std::unique_ptr<KvSnapshot> Snapshot() = 0;
  virtual absl::Status Write(const KvBatch& batch, bool synced) = 0;
  // Named figures for metrics (bytes, counts), e.g. "block_cache_bytes".
  virtual std::vector<std::pair<std::string, double>> Figures() { return {}; }
  // Not ok once the engine met an error it cannot go on from (a failed sync): nothing may be
  // acknowledged any more, the process should stop and reopen.
  virtual absl::Status Health() { return absl::OkStatus(); }
  // What is kept beside the store and belongs to it can't be written any more: from now on the
  // store is not healthy either. A full disk (ResourceExhausted) is no reason.
  virtual void Fail(const absl::Status&) {}
};

// The in-memory form: for tests and the simulation. `tables` is their number.
std::unique_ptr<KvStore> NewMemoryKvStore(int tables);

}  // namespace filesync
