#include "agent/engine/uploader.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "libs/base/status.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr size_t kMessageBytes = 1 << 20;

}  // namespace

// One chunk that the server may lack, and where its bytes are.
struct Uploader::Needed {
  ChunkRef ref;
  ChunkKind kind = ChunkKind::kData;
  size_t item = 0;
  uint64_t offset = 0;                 // data: in the file
  const std::string* plain = nullptr;  // list pieces
};

namespace {

// The plain bytes of a data chunk: as kept, or read again and checked. Aborted when the file
// is not what it was.
absl::StatusOr<std::string> ReadChunk(Location* location, const UploadItem& item,
                                      const ChunkRef& ref, uint64_t offset,
                                      std::unique_ptr<LocalFile>& file) {
  if (!item.file->bytes.empty()) return item.file->bytes.substr(offset, ref.size);
  if (file == nullptr) {
    FS_ASSIGN_OR_RETURN(file, location->Open(item.path));
  }
  std::string plain(ref.size, '\0');
  size_t done = 0;
  while (done < plain.size()) {
    FS_ASSIGN_OR_RETURN(const size_t got,
                        file->ReadAt(offset + done, plain.data() + done, plain.size() - done));
    if (got == 0) break;
    done += got;
  }
  if (done < plain.size() || HashChunk(ChunkKind::kData, plain) != ref.id) {
    return Aborted("it changed while it was uploaded");
  }
  return plain;
}

}  // namespace

absl::Status Uploader::Upload(const WelcomeInfo& welcome, std::vector<UploadItem>& items,
                              std::vector<TravellingChunk>& inline_chunks) {
  std::vector<Needed> needed;
  absl::flat_hash_set<ChunkId> seen;
  uint64_t bytes = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const UploadItem& item = items[i];
    if (item.base != nullptr && !item.check_all) {
      for (const ChunkRef& ref : item.base->refs) seen.insert(ref.id);
    }
    uint64_t offset = 0;
    for (const ChunkRef& ref : item.file->chunks) {
      if (seen.insert(ref.id).second) {
        needed.push_back({ref, ChunkKind::kData, i, offset, nullptr});
        bytes += ref.size;
      }
      offset += ref.size;
    }
    for (const ListPiece& piece : item.file->pieces) {
      if (!seen.insert(piece.id).second) continue;
      needed.push_back({{piece.id, static_cast<uint32_t>(piece.plain.size())},
                        ChunkKind::kList,
                        i,
                        0,
                        &piece.plain});
      bytes += piece.plain.size();
    }
  }
  if (needed.empty()) return absl::OkStatus();
  // Frames are never larger than their chunk and a header.
  if (bytes + needed.size() * kFrameHeaderSize <= welcome.inline_bytes) {
    for (const Needed& chunk : needed) {
      std::unique_ptr<LocalFile> file;
      std::string plain;
      if (chunk.plain != nullptr) {
        plain = *chunk.plain;
      } else {
        absl::StatusOr<std::string> read =
            ReadChunk(context_->location, items[chunk.item], chunk.ref, chunk.offset, file);
        if (!read.ok()) {
          items[chunk.item].changed = true;
          continue;
        }
        plain = *std::move(read);
      }
      inline_chunks.push_back({chunk.ref.id, chunk.kind, EncodeFrame(plain)});
    }
    return absl::OkStatus();
  }
  return Send(welcome, needed, items);
}

absl::Status Uploader::Send(const WelcomeInfo& welcome, const std::vector<Needed>& needed,
                            std::vector<UploadItem>& items) {
  std::vector<ChunkId> ids;
  ids.reserve(needed.size());
  for (const Needed& chunk : needed) ids.push_back(chunk.ref.id);
  FS_ASSIGN_OR_RETURN(const std::vector<ChunkId> missing_ids,
                      context_->link->FindMissingChunks(welcome.folder, ids));
  const absl::flat_hash_set<ChunkId> missing(missing_ids.begin(), missing_ids.end());
  for (const Needed& chunk : needed) {
    if (!missing.contains(chunk.ref.id)) {
      context_->stats.bytes_saved += chunk.ref.size;
    } else {
      context_->stats.bytes_to_move += chunk.ref.size;
    }
  }
  std::unique_ptr<LocalFile> file;
  size_t file_item = SIZE_MAX;
  for (const Needed& chunk : needed) {
    if (!missing.contains(chunk.ref.id)) continue;
    UploadItem& item = items[chunk.item];
    std::string read;
    if (chunk.plain == nullptr) {
      if (item.changed) continue;
      if (file_item != chunk.item) file.reset();
      file_item = chunk.item;
      absl::StatusOr<std::string> plain =
          ReadChunk(context_->location, item, chunk.ref, chunk.offset, file);
      if (!plain.ok()) {
        item.changed = true;
        continue;
      }
      read = *std::move(plain);
    }
    std::string frame = EncodeFrame(chunk.plain != nullptr ? *chunk.plain : read);
    if (frame.size() < chunk.ref.size) context_->stats.bytes_saved += chunk.ref.size - frame.size();
    if (stream_ == nullptr) {
      FS_ASSIGN_OR_RETURN(stream_, context_->link->Upload(welcome.folder, context_->agent_id));
    }
    FS_RETURN_IF_ERROR(Queue({chunk.ref.id, chunk.kind, std::move(frame)}));
    context_->stats.bytes_moved += chunk.ref.size;
  }
  if (absl::Status sent = SendQueued(); !sent.ok()) return sent;
  if (stream_ == nullptr) return absl::OkStatus();
  const absl::Status flushed = stream_->Flush();
  if (!flushed.ok()) stream_.reset();
  return flushed;
}

absl::Status Uploader::Queue(TravellingChunk chunk) {
  const size_t size = chunk.frame.size();
  if (queued_bytes_ + size > kMessageBytes && !queued_.empty()) FS_RETURN_IF_ERROR(SendQueued());
  queued_bytes_ += size;
  queued_.push_back(std::move(chunk));
  return absl::OkStatus();
}

absl::Status Uploader::SendQueued() {
  if (queued_.empty()) return absl::OkStatus();
  queued_bytes_ = 0;
  const absl::Status sent = stream_->Send(std::exchange(queued_, {}));
  if (!sent.ok()) stream_.reset();
  return sent;
}

}  // namespace filesync
