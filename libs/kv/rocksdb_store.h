// RocksDbStore: KvStore on RocksDB. One database directory, one column family per table.
//
// Opening follows the storage rules: exclusive lock, a WAL recovery mode that tolerates only
// a torn tail, WALs tracked in the manifest, paranoid checks, unknown column families opened
// too; never RocksDB's repair. Memory is bounded by the options below. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/kv/kv_store.h"

namespace filesync {

struct KvTableOptions {
  std::string name;
  bool large_values = false;  // values go to blob files, not through compaction
  // Read by whole keys. Still it can be iterated, but what was written last is sorted each time.
  bool by_key = false;
};

struct RocksDbOptions {
  std::string directory;  // made if missing (0700)
  std::vector<KvTableOptions> tables;
  size_t block_cache_bytes = 64 << 20;   // shared by all tables
  size_t write_buffer_bytes = 32 << 20;  // of a large_values table's memtable; others a quarter
  // Gets RocksDB's warnings and errors, from any of its threads; may be null.
  std::function<void(std::string_view line)> warn;
};

// FailedPrecondition when another process holds the directory, DataLoss when the store is
// damaged (the sentence says what to do: restore a backup, or start empty and let the agents
// fill it again).
absl::StatusOr<std::unique_ptr<KvStore>> OpenRocksDbStore(const RocksDbOptions& options);

}  // namespace filesync
