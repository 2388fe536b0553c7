// The in-memory KvStore: a map per table, copied on write while snapshots are out.

#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"
#include "libs/kv/kv_store.h"

namespace filesync {
namespace {

using Table = std::map<std::string, std::string, std::less<>>;
using Tables = std::vector<Table>;

class MemorySnapshot final : public KvSnapshot {
 public:
  explicit MemorySnapshot(std::shared_ptr<const Tables> tables) : tables(std::move(tables)) {}
  const std::shared_ptr<const Tables> tables;
};

class MemoryIterator final : public KvIterator {
 public:
  MemoryIterator(std::shared_ptr<const Tables> tables, KvTable table)
      : tables_(std::move(tables)), table_((*tables_)[table]), at_(table_.end()) {}
  void Seek(std::string_view key) override { at_ = table_.lower_bound(key); }
  bool Valid() const override { return at_ != table_.end(); }
  void Next() override { ++at_; }
  std::string_view key() const override { return at_->first; }
  std::string_view value() const override { return at_->second; }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  const std::shared_ptr<const Tables> tables_;
  const Table& table_;
  Table::const_iterator at_;
};

class MemoryKvStore final : public KvStore {
 public:
  explicit MemoryKvStore(int tables) : tables_(std::make_shared<Tables>(tables)) {}

  absl::StatusOr<std::string> Get(KvTable table, std::string_view key,
                                  const KvSnapshot* snapshot) override {
    const std::shared_ptr<const Tables> tables = View(snapshot);
    const auto it = (*tables)[table].find(key);
    if (it == (*tables)[table].end()) return NotFound("no such key");
    return it->second;
  }

  absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      KvTable table, const std::vector<std::string>& keys) override {
    const std::shared_ptr<const Tables> tables = View(nullptr);
    std::vector<std::optional<std::string>> values;
    for (const std::string& key : keys) {
      const auto it = (*tables)[table].find(key);
      values.push_back(it == (*tables)[table].end() ? std::nullopt : std::optional(it->second));
    }
    return values;
  }

  std::unique_ptr<KvIterator> Iterate(KvTable table, const KvSnapshot* snapshot) override {
    return std::make_unique<MemoryIterator>(View(snapshot), table);
  }

  std::unique_ptr<KvSnapshot> Snapshot() override {
    return std::make_unique<MemorySnapshot>(View(nullptr));
  }

  absl::Status Write(const KvBatch& batch, bool) override {
    absl::MutexLock lock(&mutex_);
    if (tables_.use_count() > 1) tables_ = std::make_shared<Tables>(*tables_);
    for (const KvBatch::Operation& operation : batch.operations()) {
      Table& table = (*tables_)[operation.table];
      if (operation.value.has_value()) {
        table[operation.key] = *operation.value;
      } else {
        table.erase(operation.key);
      }
    }
    return absl::OkStatus();
  }

 private:
  std::shared_ptr<const Tables> View(const KvSnapshot* snapshot) {
    if (snapshot != nullptr) return static_cast<const MemorySnapshot*>(snapshot)->tables;
    absl::MutexLock lock(&mutex_);
    return tables_;
  }

  absl::Mutex mutex_;
  std::shared_ptr<Tables> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<KvStore> NewMemoryKvStore(int tables) {
  return std::make_unique<MemoryKvStore>(tables);
}

}  // namespace filesync
