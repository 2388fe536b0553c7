// The in-memory KvStore: a map per table, copied on write while snapshots are out. Thread-safe.

#include <atomic>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"
#include "libs/kv/kv_store.h"

namespace filesync {
namespace {

using Table = std::map<std::string, std::string, std::less<>>;

// One state of all tables. It changes only while nobody looks at it from outside the lock.
struct State {
  std::vector<Table> tables;
  std::atomic<int> views = 0;
};

// Keeps a state as it is.
class View {
 public:
  explicit View(std::shared_ptr<State> state) : state_(std::move(state)) { ++state_->views; }
  View(const View& other) : View(other.state_) {}
  View& operator=(const View&) = delete;
  ~View() { --state_->views; }
  const Table& table(KvTable table) const { return state_->tables[table]; }

 private:
  const std::shared_ptr<State> state_;
};

class MemorySnapshot final : public KvSnapshot {
 public:
  explicit MemorySnapshot(const View& view) : view(view) {}
  const View view;
};

class MemoryIterator final : public KvIterator {
 public:
  MemoryIterator(const View& view, KvTable table)
      : view_(view), table_(view_.table(table)), at_(table_.end()) {}
  void Seek(std::string_view key) override { at_ = table_.lower_bound(key); }
  void SeekBefore(std::string_view key) override {
    at_ = table_.lower_bound(key);
    Previous();
  }
  bool Valid() const override { return at_ != table_.end(); }
  void Next() override { ++at_; }
  void Previous() override { at_ = at_ == table_.begin() ? table_.end() : std::prev(at_); }
  std::string_view key() const override { return at_->first; }
  std::string_view value() const override { return at_->second; }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  const View view_;
  const Table& table_;
  Table::const_iterator at_;
};

class MemoryKvStore final : public KvStore {
 public:
  explicit MemoryKvStore(int tables) : state_(std::make_shared<State>()) {
    state_->tables.resize(tables);
  }

  absl::StatusOr<std::string> Get(KvTable table, std::string_view key,
                                  const KvSnapshot* snapshot) override {
    if (snapshot != nullptr) {
      return Find(static_cast<const MemorySnapshot*>(snapshot)->view.table(table), key);
    }
    absl::MutexLock lock(&mutex_);
    return Find(state_->tables[table], key);
  }

  absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      KvTable table, const std::vector<std::string>& keys) override {
    absl::MutexLock lock(&mutex_);
    const Table& rows = state_->tables[table];
    std::vector<std::optional<std::string>> values;
    values.reserve(keys.size());
    for (const std::string& key : keys) {
      const auto it = rows.find(key);
      values.push_back(it == rows.end() ? std::nullopt : std::optional(it->second));
    }
    return values;
  }

  std::unique_ptr<KvIterator> Iterate(KvTable table, const KvSnapshot* snapshot) override {
    if (snapshot != nullptr) {
      return std::make_unique<MemoryIterator>(static_cast<const MemorySnapshot*>(snapshot)->view,
                                              table);
    }
    return std::make_unique<MemoryIterator>(Latest(), table);
  }

  std::unique_ptr<KvSnapshot> Snapshot() override {
    return std::make_unique<MemorySnapshot>(Latest());
  }

  absl::Status Write(const KvBatch& batch, bool) override {
    absl::MutexLock lock(&mutex_);
    if (state_->views > 0) {
      auto copy = std::make_shared<State>();
      copy->tables = state_->tables;
      state_ = std::move(copy);
    }
    for (const KvBatch::Operation& operation : batch.operations()) {
      Table& table = state_->tables[operation.table];
      if (operation.value.has_value()) {
        table[operation.key] = *operation.value;
      } else {
        table.erase(operation.key);
      }
    }
    return absl::OkStatus();
  }

 private:
  static absl::StatusOr<std::string> Find(const Table& table, std::string_view key) {
    const auto it = table.find(key);
    if (it == table.end()) return NotFound("no such key");
    return it->second;
  }
  View Latest() {
    absl::MutexLock lock(&mutex_);
    return View(state_);
  }

  absl::Mutex mutex_;
  std::shared_ptr<State> state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<KvStore> NewMemoryKvStore(int tables) {
  return std::make_unique<MemoryKvStore>(tables);
}

}  // namespace filesync
