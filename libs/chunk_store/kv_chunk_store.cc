#include "libs/chunk_store/kv_chunk_store.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

std::vector<std::string> Keys(const std::vector<ChunkId>& ids) {
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const ChunkId& id : ids) keys.emplace_back(id.bytes());
  return keys;
}

class KvChunkStore final : public ChunkStore {
 public:
  KvChunkStore(KvStore* store, KvTable table) : store_(store), table_(table) {}

  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    KvBatch batch;
    for (const StoredChunk& chunk : chunks) {
      batch.Put(table_, std::string(chunk.id.bytes()), chunk.frame);
    }
    return store_->Write(batch, /*synced=*/false);
  }

  absl::StatusOr<std::vector<std::optional<std::string>>> Get(
      const std::vector<ChunkId>& ids) override {
    return store_->MultiGet(table_, Keys(ids));
  }

  absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) override {
    FS_ASSIGN_OR_RETURN(const auto frames, store_->MultiGet(table_, Keys(ids)));
    std::vector<bool> has;
    for (const auto& frame : frames) has.push_back(frame.has_value());
    return has;
  }

  absl::Status Delete(const std::vector<ChunkId>& ids) override {
    KvBatch batch;
    for (const ChunkId& id : ids) batch.Delete(table_, std::string(id.bytes()));
    return store_->Write(batch, /*synced=*/false);
  }

  absl::Status ForEach(
      const std::function<bool(const ChunkId&, std::string_view frame)>& visit) override {
    const std::unique_ptr<KvIterator> iterator = store_->Iterate(table_);
    for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
      const auto id = ChunkId::FromBytes(iterator->key());
      if (!id.has_value()) return DataLoss("the chunk table holds a key that is no chunk id");
      if (!visit(*id, iterator->value())) return absl::OkStatus();
    }
    return iterator->status();
  }

 private:
  KvStore* const store_;
  const KvTable table_;
};

}  // namespace

std::unique_ptr<ChunkStore> NewKvChunkStore(KvStore* store, KvTable table) {
  return std::make_unique<KvChunkStore>(store, table);
}

}  // namespace filesync
