#include "libs/kv/faulty_store.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

class FaultyKvStore final : public KvStore {
 public:
  FaultyKvStore(std::unique_ptr<KvStore> store,
                std::function<absl::Status(const KvBatch&)> before_write)
      : store_(std::move(store)), before_write_(std::move(before_write)) {}

  absl::StatusOr<std::string> Get(KvTable table, std::string_view key,
                                  const KvSnapshot* snapshot) override {
    return store_->Get(table, key, snapshot);
  }
  absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      KvTable table, const std::vector<std::string>& keys) override {
    return store_->MultiGet(table, keys);
  }
  std::unique_ptr<KvIterator> Iterate(KvTable table, const KvSnapshot* snapshot) override {
    return store_->Iterate(table, snapshot);
  }
  std::unique_ptr<KvSnapshot> Snapshot() override { return store_->Snapshot(); }
  absl::Status Write(const KvBatch& batch, bool synced) override {
    FS_RETURN_IF_ERROR(Health());
    FS_RETURN_IF_ERROR(before_write_(batch));
    return store_->Write(batch, synced);
  }
  absl::Status Health() override {
    absl::MutexLock lock(&mutex_);
    return health_;
  }
  void Fail(const absl::Status& status) override {
    if (absl::IsResourceExhausted(status)) return;
    absl::MutexLock lock(&mutex_);
    health_.Update(status);
  }

 private:
  const std::unique_ptr<KvStore> store_;
  const std::function<absl::Status(const KvBatch&)> before_write_;
  absl::Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<KvStore> NewFaultyKvStore(
    std::unique_ptr<KvStore> store, std::function<absl::Status(const KvBatch&)> before_write) {
  return std::make_unique<FaultyKvStore>(std::move(store), std::move(before_write));
}

}  // namespace filesync
