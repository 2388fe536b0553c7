#include "libs/kv/rocksdb_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr char kDamaged[] =
    "the store is damaged; restore the data directory from a backup, or move it away and start "
    "empty: the agents fill the server again from what they hold";

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = fmt::format("{}: {}", what, status.ToString());
  if (status.IsNotFound()) return NotFound("{}", text);
  if (status.IsCorruption()) return DataLoss("{}; {}", text, kDamaged);
  if (status.IsNoSpace()) return ResourceExhausted("{}", text);
  if (status.IsBusy() || status.IsTryAgain()) return Unavailable("{}", text);
  return Internal("{}", text);
}

// Remembers the first background error: from then on nothing may be acknowledged.
class HealthListener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    Fail(FromRocks(*status, "the store failed in the background"));
  }
  void Fail(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (health_.ok()) health_ = status;
  }
  absl::Status health() const {
    absl::MutexLock lock(&mutex_);
    return health_;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

class RocksSnapshot final : public KvSnapshot {
 public:
  explicit RocksSnapshot(rocksdb::DB* db) : db_(db), snapshot(db->GetSnapshot()) {}
  ~RocksSnapshot() override { db_->ReleaseSnapshot(snapshot); }

 private:
  rocksdb::DB* db_;

 public:
  const rocksdb::Snapshot* const snapshot;
};

class RocksIterator final : public KvIterator {
 public:
  explicit RocksIterator(std::unique_ptr<rocksdb::Iterator> iterator)
      : iterator_(std::move(iterator)) {}
  void Seek(std::string_view key) override { iterator_->Seek(ToSlice(key)); }
  bool Valid() const override { return iterator_->Valid(); }
  void Next() override { iterator_->Next(); }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  absl::Status status() const override {
    return FromRocks(iterator_->status(), "reading the store");
  }

 private:
  const std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksDbStore final : public KvStore {
 public:
  RocksDbStore(std::unique_ptr<rocksdb::DB> db, std::vector<rocksdb::ColumnFamilyHandle*> handles,
               size_t tables, std::shared_ptr<rocksdb::Cache> cache,
               std::shared_ptr<HealthListener> listener)
      : db_(std::move(db)),
        handles_(std::move(handles)),
        tables_(tables),
        cache_(std::move(cache)),
        listener_(std::move(listener)) {}

  ~RocksDbStore() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      (void)db_->DestroyColumnFamilyHandle(handle);
    }
    (void)db_->Close();
  }

  absl::StatusOr<std::string> Get(KvTable table, std::string_view key,
                                  const KvSnapshot* snapshot) override {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        db_->Get(ReadOptions(snapshot), handles_[table], ToSlice(key), &value);
    if (!status.ok()) return FromRocks(status, "reading the store");
    return std::string(value.data(), value.size());
  }

  absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      KvTable table, const std::vector<std::string>& keys) override {
    const size_t count = keys.size();
    std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(count);
    std::vector<rocksdb::Status> statuses(count);
    db_->MultiGet(ReadOptions(nullptr), handles_[table], count, slices.data(), values.data(),
                  statuses.data());
    std::vector<std::optional<std::string>> result(count);
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) continue;
      if (!statuses[i].ok()) return FromRocks(statuses[i], "reading the store");
      result[i].emplace(values[i].data(), values[i].size());
    }
    return result;
  }

  std::unique_ptr<KvIterator> Iterate(KvTable table, const KvSnapshot* snapshot) override {
    return std::make_unique<RocksIterator>(std::unique_ptr<rocksdb::Iterator>(
        db_->NewIterator(ReadOptions(snapshot), handles_[table])));
  }

  std::unique_ptr<KvSnapshot> Snapshot() override {
    return std::make_unique<RocksSnapshot>(db_.get());
  }

  absl::Status Write(const KvBatch& batch, bool synced) override {
    FS_RETURN_IF_ERROR(Health());
    size_t bytes = 64;
    for (const KvBatch::Operation& operation : batch.operations()) {
      bytes += operation.key.size() + 16;
      if (operation.value.has_value()) bytes += operation.value->size();
    }
    rocksdb::WriteBatch writes(bytes);
    for (const KvBatch::Operation& operation : batch.operations()) {
      const rocksdb::Status status =
          operation.value.has_value()
              ? writes.Put(handles_[operation.table], operation.key, *operation.value)
              : writes.Delete(handles_[operation.table], operation.key);
      FS_RETURN_IF_ERROR(FromRocks(status, "preparing a write"));
    }
    rocksdb::WriteOptions options;
    options.sync = synced;
    const absl::Status written = FromRocks(db_->Write(options, &writes), "writing the store");
    // A failed sync leaves it open what is on disk: nothing may be acknowledged after it.
    if (!written.ok() && synced) listener_->Fail(written);
    return written;
  }

  std::vector<std::pair<std::string, double>> Figures() override {
    std::vector<std::pair<std::string, double>> figures;
    figures.emplace_back("block_cache", static_cast<double>(cache_->GetUsage()));
    const std::pair<const char*, const std::string*> properties[] = {
        {"memtables", &rocksdb::DB::Properties::kSizeAllMemTables},
        {"tables", &rocksdb::DB::Properties::kTotalSstFilesSize},
        {"blobs", &rocksdb::DB::Properties::kTotalBlobFileSize},
        {"live_data", &rocksdb::DB::Properties::kEstimateLiveDataSize},
        {"pending_compaction", &rocksdb::DB::Properties::kEstimatePendingCompactionBytes},
    };
    for (const auto& [name, property] : properties) {
      uint64_t sum = 0;
      for (size_t i = 0; i < tables_; ++i) {
        uint64_t value = 0;
        if (db_->GetIntProperty(handles_[i], *property, &value)) sum += value;
      }
      figures.emplace_back(name, static_cast<double>(sum));
    }
    return figures;
  }

  absl::Status Health() override { return listener_->health(); }

 private:
  static rocksdb::ReadOptions ReadOptions(const KvSnapshot* snapshot) {
    rocksdb::ReadOptions options;
    if (snapshot != nullptr) {
      options.snapshot = static_cast<const RocksSnapshot*>(snapshot)->snapshot;
    }
    return options;
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  const size_t tables_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::shared_ptr<HealthListener> listener_;
};

rocksdb::ColumnFamilyOptions TableOptions(const RocksDbOptions& options, bool large_values,
                                          const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size =
      large_values ? options.write_buffer_bytes : options.write_buffer_bytes / 4;
  family.max_write_buffer_number = 3;
  if (large_values) {
    // Frames are compressed already, and must not be rewritten by every compaction.
    family.enable_blob_files = true;
    family.min_blob_size = 1 << 10;
    family.blob_file_size = 256 << 20;
    family.blob_compression_type = rocksdb::kNoCompression;
    family.compression = rocksdb::kNoCompression;
  } else {
    family.compression = rocksdb::kZSTD;
  }
  return family;
}

rocksdb::DBOptions DatabaseOptions(const std::shared_ptr<HealthListener>& listener) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.track_and_verify_wals_in_manifest = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_open_files = 512;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.wal_bytes_per_sync = 1 << 20;
  options.max_total_wal_size = 256 << 20;
  options.keep_log_file_num = 3;
  options.max_log_file_size = 4 << 20;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.listeners.push_back(listener);
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvStore>> OpenRocksDbStore(const RocksDbOptions& options) {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  const auto listener = std::make_shared<HealthListener>();
  const rocksdb::DBOptions database = DatabaseOptions(listener);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const KvTableOptions& table : options.tables) {
    families.emplace_back(table.name, TableOptions(options, table.large_values, cache));
  }
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, TableOptions(options, false, cache));
  // Tables that this version does not know are opened too, so that a rollback still starts.
  std::vector<std::string> existing;
  if (rocksdb::DB::ListColumnFamilies(database, options.directory, &existing).ok()) {
    for (const std::string& name : existing) {
      bool known = false;
      for (const auto& family : families) known = known || family.name == name;
      if (!known) families.emplace_back(name, TableOptions(options, false, cache));
    }
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status opened =
      rocksdb::DB::Open(database, options.directory, families, &handles, &db);
  if (!opened.ok()) {
    const std::string text = opened.ToString();
    if (opened.IsIOError() && text.find("lock") != std::string::npos) {
      return FailedPrecondition(
          "another process has the data directory {} open; stop it first, or use another --data",
          options.directory);
    }
    return FromRocks(opened, fmt::format("opening the store in {}", options.directory));
  }
  return std::unique_ptr<KvStore>(std::make_unique<RocksDbStore>(
      std::unique_ptr<rocksdb::DB>(db), std::move(handles), families.size(), cache, listener));
}

}  // namespace filesync
