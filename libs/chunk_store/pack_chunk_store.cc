#include "libs/chunk_store/pack_chunk_store.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/chunk_store/pack_directory.h"

namespace filesync {
namespace {

// A value of the chunk table: a tag, then the frame itself or its place.
constexpr char kInline = 0;
constexpr char kPacked = 1;
constexpr size_t kPlaceSize = 1 + 8 + 8 + 4;
// No append is larger, so that others get their turn.
constexpr size_t kBytesPerAppend = 8 << 20;

struct Place {
  uint64_t pack = 0;
  uint64_t offset = 0;
  uint32_t size = 0;
};

std::string Encode(const Place& place) {
  std::string value(1, kPacked);
  AppendBigEndian64(value, place.pack);
  AppendBigEndian64(value, place.offset);
  AppendBigEndian32(value, place.size);
  return value;
}

std::string EncodeInline(const absl::Cord& frame) {
  std::string value(1, kInline);
  value.reserve(1 + frame.size());
  for (const absl::string_view piece : frame.Chunks()) value.append(piece.data(), piece.size());
  return value;
}

// nullopt when `value` is no place.
std::optional<Place> DecodePlace(std::string_view value) {
  if (value.size() != kPlaceSize || value[0] != kPacked) return std::nullopt;
  return Place{ReadBigEndian64(value.data() + 1), ReadBigEndian64(value.data() + 9),
               ReadBigEndian32(value.data() + 17)};
}

std::vector<std::string> Keys(const std::vector<ChunkId>& ids) {
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const ChunkId& id : ids) keys.emplace_back(id.bytes());
  return keys;
}

class PackChunkStore final : public ChunkStore {
 public:
  PackChunkStore(KvStore* store, const PackChunkStoreOptions& options,
                 std::unique_ptr<PackDirectory> packs)
      : store_(store),
        chunks_(options.chunks),
        smallest_packed_(options.smallest_packed),
        packs_(std::move(packs)) {}

  absl::Status Put(const std::vector<StoredChunk>& chunks) override {
    FS_ASSIGN_OR_RETURN(const std::vector<const StoredChunk*> wanted, NotStored(chunks));
    KvBatch batch;
    std::vector<const StoredChunk*> group;
    size_t bytes = 0;
    for (const StoredChunk* chunk : wanted) {
      if (chunk->frame.size() < smallest_packed_) {
        batch.Put(chunks_, std::string(chunk->id.bytes()), EncodeInline(chunk->frame));
        continue;
      }
      group.push_back(chunk);
      bytes += chunk->frame.size();
      if (bytes < kBytesPerAppend) continue;
      FS_RETURN_IF_ERROR(Append(group, batch));
      group.clear();
      bytes = 0;
    }
    FS_RETURN_IF_ERROR(Append(group, batch));
    return batch.empty() ? absl::OkStatus() : store_->Write(batch, /*synced=*/false);
  }

  absl::StatusOr<Frames> Read(const std::vector<ChunkId>& ids, size_t most_bytes) override {
    FS_ASSIGN_OR_RETURN(auto values, store_->MultiGet(chunks_, Keys(ids)));
    Frames frames;
    frames.reserve(ids.size());
    size_t bytes = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (values[i].has_value()) {
        const std::optional<Place> place = DecodePlace(*values[i]);
        bytes += place.has_value() ? place->size : values[i]->size();
        if (i > 0 && bytes > most_bytes) break;
      }
      frames.emplace_back();
      if (!values[i].has_value()) continue;
      FS_ASSIGN_OR_RETURN(frames.back(), Frame(ids[i], *std::move(values[i])));
    }
    return frames;
  }

  absl::StatusOr<std::vector<bool>> Has(const std::vector<ChunkId>& ids) override {
    FS_ASSIGN_OR_RETURN(const auto values, store_->MultiGet(chunks_, Keys(ids)));
    std::vector<bool> has;
    has.reserve(values.size());
    for (const auto& value : values) has.push_back(value.has_value());
    return has;
  }

  absl::Status Delete(const std::vector<ChunkId>& ids) override {
    const std::vector<std::string> keys = Keys(ids);
    FS_ASSIGN_OR_RETURN(const auto values, store_->MultiGet(chunks_, keys));
    KvBatch batch;
    for (const std::string& key : keys) batch.Delete(chunks_, key);
    // On disk before the space goes: a power cut must not bring back a name without its frame.
    FS_RETURN_IF_ERROR(store_->Write(batch, /*synced=*/true));
    for (const auto& value : values) {
      const std::optional<Place> place = value.has_value() ? DecodePlace(*value) : std::nullopt;
      if (!place.has_value()) continue;
      FS_ASSIGN_OR_RETURN(const std::shared_ptr<PackFile> pack, packs_->Get(place->pack));
      pack->Free(place->offset, place->size);
    }
    return absl::OkStatus();
  }

  absl::Status ForEach(
      const std::function<bool(const ChunkId&, const absl::Cord& frame)>& visit) override {
    const std::unique_ptr<KvIterator> iterator = store_->Iterate(chunks_);
    for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
      const auto id = ChunkId::FromBytes(iterator->key());
      if (!id.has_value()) return DataLoss("the chunk table holds a key that is no chunk id");
      FS_ASSIGN_OR_RETURN(const std::optional<absl::Cord> frame,
                          Frame(*id, std::string(iterator->value())));
      if (frame.has_value() && !visit(*id, *frame)) return absl::OkStatus();
    }
    return iterator->status();
  }

 private:
  // What of `chunks` is not stored yet, each once.
  absl::StatusOr<std::vector<const StoredChunk*>> NotStored(
      const std::vector<StoredChunk>& chunks) {
    std::vector<ChunkId> ids;
    ids.reserve(chunks.size());
    for (const StoredChunk& chunk : chunks) ids.push_back(chunk.id);
    FS_ASSIGN_OR_RETURN(const std::vector<bool> has, Has(ids));
    absl::flat_hash_set<ChunkId> seen;
    std::vector<const StoredChunk*> wanted;
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (!has[i] && seen.insert(ids[i]).second) wanted.push_back(&chunks[i]);
    }
    return wanted;
  }

  absl::Status Append(const std::vector<const StoredChunk*>& chunks, KvBatch& batch) {
    if (chunks.empty()) return absl::OkStatus();
    absl::Status appended = AppendToPack(chunks, batch);
    // Nobody knows what is on that disk; a full one is said and waited for.
    if (!appended.ok()) store_->Fail(appended);
    return appended;
  }

  // Writes the frames to the current pack and their places to `batch`.
  absl::Status AppendToPack(const std::vector<const StoredChunk*>& chunks, KvBatch& batch) {
    FS_ASSIGN_OR_RETURN(const std::shared_ptr<PackFile> pack, packs_->Current());
    std::vector<std::string_view> pieces;
    pieces.reserve(chunks.size());
    for (const StoredChunk* chunk : chunks) {
      for (const absl::string_view piece : chunk->frame.Chunks()) {
        pieces.emplace_back(piece.data(), piece.size());
      }
    }
    FS_ASSIGN_OR_RETURN(uint64_t offset, pack->Append(pieces));
    for (const StoredChunk* chunk : chunks) {
      const auto size = static_cast<uint32_t>(chunk->frame.size());
      batch.Put(chunks_, std::string(chunk->id.bytes()), Encode({pack->number(), offset, size}));
      offset += size;
    }
    return absl::OkStatus();
  }

  // The frame that a value of the chunk table stands for; nullopt when it was deleted meanwhile.
  absl::StatusOr<std::optional<absl::Cord>> Frame(const ChunkId& id, std::string value) {
    if (!value.empty() && value[0] == kInline) return absl::Cord(value.erase(0, 1));
    const std::optional<Place> place = DecodePlace(value);
    if (!place.has_value()) {
      return DataLoss("the chunk table can't be read at chunk {}", id.ToHex());
    }
    FS_ASSIGN_OR_RETURN(const std::shared_ptr<PackFile> pack, packs_->Get(place->pack));
    absl::StatusOr<absl::Cord> frame = pack->Read(place->offset, place->size);
    if (frame.ok()) return *std::move(frame);
    FS_ASSIGN_OR_RETURN(const std::vector<bool> still, Has({id}));
    if (!still.front()) return std::nullopt;
    return Annotate(frame.status(), fmt::format("chunk {}", id.ToHex()));
  }

  KvStore* const store_;
  const KvTable chunks_;
  const size_t smallest_packed_;
  const std::unique_ptr<PackDirectory> packs_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChunkStore>> OpenPackChunkStore(
    KvStore* store, const PackChunkStoreOptions& options) {
  FS_ASSIGN_OR_RETURN(
      std::unique_ptr<PackDirectory> packs,
      PackDirectory::Open(options.directory, store, options.packs, options.pack_size));
  return std::unique_ptr<ChunkStore>(
      std::make_unique<PackChunkStore>(store, options, std::move(packs)));
}

}  // namespace filesync
