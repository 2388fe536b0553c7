#include "libs/chunk_store/decorators.h"

#include "libs/base/status.h"
#include "libs/content/frame.h"

namespace filesync {
namespace {

// What a decorator does not change.
class ForwardingChunkStore : public ChunkStore {
 public:
  explicit ForwardingChunkStore(std::unique_ptr<ChunkStore> store) : store_(std::move(store)) {}

  absl::Status Put(const std::vector<StoredChunk>& chunks) override { return store_->Put(chunks); }
  absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) override {
    return store_->Read(ids, most_bytes);
  }
  absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) override {
    return store_->Has(ids);
  }
  absl::Status Delete(const std::vector<ChunkId>& ids) override { return store_->Delete(ids); }
  absl::Status ForEach(
      const std::function<bool(const ChunkId&, const absl::Cord& frame)>& visit) override {
    return store_->ForEach(visit);
  }

 private:
  const std::unique_ptr<ChunkStore> store_;
};

class VerifyingChunkStore final : public ForwardingChunkStore {
 public:
  using ForwardingChunkStore::ForwardingChunkStore;

  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    for (const StoredChunk& chunk : chunks) {
      FS_RETURN_IF_ERROR(DecodeAndVerifyFrame(chunk.frame, chunk.kind, chunk.id).status());
    }
    return ForwardingChunkStore::Put(chunks);
  }
  absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) override {
    FS_ASSIGN_OR_RETURN(Frames frames, ForwardingChunkStore::Read(ids, most_bytes));
    for (size_t i = 0; i < frames.size(); ++i) {
      if (!frames[i].has_value()) continue;
      FS_RETURN_IF_ERROR(Annotate(FramePlainSize(*frames[i]).status(),
                                  fmt::format("stored chunk {}", ids[i].ToHex())));
    }
    return frames;
  }
};

class ReservingChunkStore final : public ForwardingChunkStore {
 public:
  ReservingChunkStore(std::unique_ptr<ChunkStore> store, SpaceReserve* reserve)
      : ForwardingChunkStore(std::move(store)), reserve_(reserve) {}

  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    uint64_t bytes = 0;
    for (const StoredChunk& chunk : chunks) bytes += chunk.frame.size();
    FS_RETURN_IF_ERROR(reserve_->ForContent(bytes));
    absl::Status stored = ForwardingChunkStore::Put(chunks);
    reserve_->Note(stored);
    return stored;
  }

 private:
  SpaceReserve* const reserve_;
};

class FaultyChunkStore final : public ChunkStore {
 public:
  FaultyChunkStore(std::unique_ptr<ChunkStore> store, ChunkStoreFaults faults)
      : store_(std::move(store)), faults_(std::move(faults)) {}

  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    FS_RETURN_IF_ERROR(faults_.before("put"));
    return store_->Put(chunks);
  }
  absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) override {
    FS_RETURN_IF_ERROR(faults_.before("get"));
    return store_->Read(ids, most_bytes);
  }
  absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) override {
    FS_RETURN_IF_ERROR(faults_.before("has"));
    return store_->Has(ids);
  }
  absl::Status Delete(const std::vector<ChunkId>& ids) override {
    FS_RETURN_IF_ERROR(faults_.before("delete"));
    return store_->Delete(ids);
  }
  absl::Status ForEach(
      const std::function<bool(const ChunkId&, const absl::Cord& frame)>& visit) override {
    FS_RETURN_IF_ERROR(faults_.before("iterate"));
    return store_->ForEach(visit);
  }

 private:
  const std::unique_ptr<ChunkStore> store_;
  const ChunkStoreFaults faults_;
};

}  // namespace

std::unique_ptr<ChunkStore> NewVerifyingChunkStore(std::unique_ptr<ChunkStore> store) {
  return std::make_unique<VerifyingChunkStore>(std::move(store));
}

std::unique_ptr<ChunkStore> NewReservingChunkStore(std::unique_ptr<ChunkStore> store,
                                                   SpaceReserve* reserve) {
  return std::make_unique<ReservingChunkStore>(std::move(store), reserve);
}

std::unique_ptr<ChunkStore> NewFaultyChunkStore(std::unique_ptr<ChunkStore> store,
                                                ChunkStoreFaults faults) {
  return std::make_unique<FaultyChunkStore>(std::move(store), std::move(faults));
}

}  // namespace filesync
