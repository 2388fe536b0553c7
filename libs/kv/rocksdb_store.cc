#include "libs/kv/rocksdb_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/memtablerep.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// Of a memtable that finds keys by their hash: one bucket for so many bytes.
constexpr size_t kBytesPerBucket = 256;

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = fmt::format("{}: {}", what, status.ToString());
  if (status.IsNotFound()) return NotFound("{}", text);
  // A file that the store has a record of and that is gone, is damage too.
  if (status.IsCorruption() || status.IsPathNotFound())
    return DataLoss("{}; {}", text, kDamagedStoreAdvice);
  if (status.IsNoSpace()) return ResourceExhausted("{}: {}", kDiskIsFull, text);
  if (status.IsBusy() || status.IsTryAgain()) return Unavailable("{}", text);
  return Internal("{}", text);
}

// Remembers the first error that the store can't go on from (a full disk is none: RocksDB goes
// on by itself once there is room), and keeps writes durable in order: when a memtable is full the
// log changes too, and without a sync in between a power cut could leave the new log's writes
// without the old one's. A chunk's membership would survive its chunk.
class StoreListener final : public rocksdb::EventListener {
 public:
  // From now on until it is null.
  void Watch(rocksdb::DB* db) { db_ = db; }

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    Fail(FromRocks(*status, "the store failed in the background"));
  }
  // Called by the one thread that writes, before it writes to the new log.
  void OnMemTableSealed(const rocksdb::MemTableInfo&) override {
    rocksdb::DB* db = db_;
    if (db == nullptr) return;
    const absl::Status synced = FromRocks(db->SyncWAL(), "syncing the store's log");
    if (!synced.ok()) Fail(synced);
  }

  void Fail(const absl::Status& status) {
    if (absl::IsResourceExhausted(status)) return;
    absl::MutexLock lock(&mutex_);
    if (health_.ok()) health_ = status;
  }
  absl::Status health() const {
    absl::MutexLock lock(&mutex_);
    return health_;
  }

 private:
  std::atomic<rocksdb::DB*> db_ = nullptr;
  mutable absl::Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

// RocksDB's own log file would end the process: its writer aborts on the first line after one
// that failed, as when the disk is full.
class InfoLog final : public rocksdb::Logger {
 public:
  explicit InfoLog(std::function<void(std::string_view)> warn)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), warn_(std::move(warn)) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    if (warn_ == nullptr) return;
    char line[1024];
    const int size = vsnprintf(line, sizeof(line), format, arguments);
    if (size > 0) warn_({line, std::min<size_t>(size, sizeof(line) - 1)});
  }

 private:
  const std::function<void(std::string_view)> warn_;
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
  void SeekBefore(std::string_view key) override {
    iterator_->SeekForPrev(ToSlice(key));
    if (iterator_->Valid() && iterator_->key() == ToSlice(key)) iterator_->Prev();
  }
  bool Valid() const override { return iterator_->Valid(); }
  void Next() override { iterator_->Next(); }
  void Previous() override { iterator_->Prev(); }
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
               std::shared_ptr<StoreListener> listener)
      : db_(std::move(db)),
        handles_(std::move(handles)),
        tables_(tables),
        cache_(std::move(cache)),
        listener_(std::move(listener)) {
    listener_->Watch(db_.get());
  }

  ~RocksDbStore() override {
    listener_->Watch(nullptr);
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
    absl::Status written = FromRocks(db_->Write(options, &writes), "writing the store");
    // It is open what is on disk then: nothing may be acknowledged any more.
    if (!written.ok()) listener_->Fail(written);
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
    rocksdb::VectorLogPtr logs;
    if (db_->GetSortedWalFiles(logs).ok()) {
      uint64_t sum = 0;
      for (const auto& log : logs) sum += log->SizeFileBytes();
      figures.emplace_back("log", static_cast<double>(sum));
    }
    return figures;
  }

  absl::Status Health() override { return listener_->health(); }
  void Fail(const absl::Status& status) override { listener_->Fail(status); }

  // RocksDB looks for its tables when it opens, but for a blob file only when one is read.
  absl::Status CheckBlobFiles() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      rocksdb::ColumnFamilyMetaData family;
      db_->GetColumnFamilyMetaData(handle, &family);
      for (const rocksdb::BlobMetaData& blob : family.blob_files) {
        uint64_t size = 0;
        const std::string path = blob.blob_file_path + "/" + blob.blob_file_name;
        FS_RETURN_IF_ERROR(FromRocks(db_->GetEnv()->GetFileSize(path, &size), path));
        if (size == blob.blob_file_size) continue;
        return DataLoss("{} has {} bytes instead of {}; {}", path, size, blob.blob_file_size,
                        kDamagedStoreAdvice);
      }
    }
    return absl::OkStatus();
  }

 private:
  static rocksdb::ReadOptions ReadOptions(const KvSnapshot* snapshot) {
    rocksdb::ReadOptions options;
    // Iterators go on beyond the prefix that they began at.
    options.total_order_seek = true;
    if (snapshot != nullptr) {
      options.snapshot = static_cast<const RocksSnapshot*>(snapshot)->snapshot;
    }
    return options;
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  const size_t tables_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::shared_ptr<StoreListener> listener_;
};

rocksdb::ColumnFamilyOptions TableOptions(const RocksDbOptions& options,
                                          const KvTableOptions& wanted,
                                          const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size =
      wanted.large_values ? options.write_buffer_bytes : options.write_buffer_bytes / 4;
  family.max_write_buffer_number = 3;
  // Most look-ups are for what is not there yet: a filter answers without walking the skip list.
  family.memtable_whole_key_filtering = true;
  family.memtable_prefix_bloom_size_ratio = 0.05;
  if (wanted.by_key) {
    // And what is there, by the hash of its key. The prefix that this goes by is all of the key.
    family.prefix_extractor.reset(rocksdb::NewNoopTransform());
    family.memtable_factory.reset(
        rocksdb::NewHashSkipListRepFactory(family.write_buffer_size / kBytesPerBucket + 1));
  }
  if (wanted.large_values) {
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

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& store,
                                   const std::shared_ptr<StoreListener>& listener) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  // Memtables that hash take one writer at a time.
  options.allow_concurrent_memtable_write = false;
  options.track_and_verify_wals_in_manifest = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_open_files = 512;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.wal_bytes_per_sync = 1 << 20;
  options.max_total_wal_size = 256 << 20;
  options.info_log = std::make_shared<InfoLog>(store.warn);
  options.listeners.push_back(listener);
  // Looks for room every few seconds after the disk was full, and goes on.
  options.sst_file_manager.reset(rocksdb::NewSstFileManager(options.env));
  return options;
}

bool IsLocked(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (text.find("lock hold by current process") != std::string::npos ||
                                text.find("While lock file") != std::string::npos);
}

// Without this, RocksDB would start afresh where its file CURRENT got lost, and delete the rest.
absl::Status CheckNotHeadless(const std::string& directory) {
  FS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  bool has_data = false;
  for (const std::string& name : names) {
    if (name == "CURRENT") return absl::OkStatus();
    has_data =
        has_data || name.ends_with(".sst") || name.ends_with(".blob") || name.ends_with(".log");
  }
  if (!has_data) return absl::OkStatus();
  return DataLoss("the store in {} has data and no file CURRENT; {}", directory,
                  kDamagedStoreAdvice);
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvStore>> OpenRocksDbStore(const RocksDbOptions& options) {
  FS_RETURN_IF_ERROR(Annotate(MakeDirectories(options.directory), "making the store's directory"));
  FS_RETURN_IF_ERROR(CheckNotHeadless(options.directory));
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  const auto listener = std::make_shared<StoreListener>();
  const rocksdb::DBOptions database = DatabaseOptions(options, listener);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const KvTableOptions& table : options.tables) {
    families.emplace_back(table.name, TableOptions(options, table, cache));
  }
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, TableOptions(options, {}, cache));
  // Tables that this version does not know are opened too, so that a rollback still starts.
  std::vector<std::string> existing;
  if (rocksdb::DB::ListColumnFamilies(database, options.directory, &existing).ok()) {
    for (const std::string& name : existing) {
      bool known = false;
      for (const auto& family : families) known = known || family.name == name;
      if (!known) families.emplace_back(name, TableOptions(options, {}, cache));
    }
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status opened =
      rocksdb::DB::Open(database, options.directory, families, &handles, &db);
  if (!opened.ok()) {
    if (IsLocked(opened)) {
      return FailedPrecondition(
          "another process has the data directory {} open; stop it first, or use another one",
          options.directory);
    }
    return FromRocks(opened, fmt::format("opening the store in {}", options.directory));
  }
  auto store = std::make_unique<RocksDbStore>(std::unique_ptr<rocksdb::DB>(db), std::move(handles),
                                              families.size(), cache, listener);
  FS_RETURN_IF_ERROR(store->CheckBlobFiles());
  return std::unique_ptr<KvStore>(std::move(store));
}

}  // namespace filesync
