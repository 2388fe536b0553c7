#include "agent/engine/uploader.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

constexpr size_t kMessageBytes = 1 << 20;
// With one message: only what repeats itself has more chunks in so few bytes.
constexpr size_t kMostTold = 1000;

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
absl::StatusOr<absl::Cord> ReadAgain(Location* location, const UploadItem& item,
                                     const ChunkRef& ref, uint64_t offset,
                                     std::unique_ptr<LocalFile>& file) {
  if (!item.file->bytes.empty()) return item.file->bytes.Subcord(offset, ref.size);
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
  return absl::Cord(std::move(plain));
}

}  // namespace

std::vector<Uploader::Needed> Uploader::CollectNeeded(const std::vector<UploadItem>& items,
                                                      const HeadStart* head_start) const {
  const bool started =
      head_start != nullptr && (head_start->stream == 0 || IsOpen(head_start->stream));
  std::vector<Needed> needed;
  absl::flat_hash_set<ChunkId> seen;
  uint64_t known_there = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const UploadItem& item = items[i];
    if (item.base != nullptr && !item.check_all) {
      for (const ChunkRef& ref : item.base->refs) seen.insert(ref.id);
    }
    const bool skip_started = started && !item.check_all;
    uint64_t missing = item.file->content.size;
    uint64_t offset = 0;
    for (const ChunkRef& ref : item.file->chunks) {
      const bool sent = skip_started && head_start->ids.contains(ref.id);
      const bool new_there = !sent && seen.insert(ref.id).second;
      if (new_there) needed.push_back({ref, ChunkKind::kData, i, offset, nullptr});
      offset += ref.size;
      missing -= new_there ? 0 : ref.size;
      known_there += sent || new_there ? 0 : ref.size;
    }
    const uint64_t size = item.file->content.size;
    context_->progress.Begin(TransferDirection::kUp, item.path, size, size - missing);
    for (const ListPiece& piece : item.file->pieces) {
      if (!seen.insert(piece.id).second) continue;
      needed.push_back({{piece.id, static_cast<uint32_t>(piece.plain.size())},
                        ChunkKind::kList,
                        i,
                        0,
                        &piece.plain});
    }
  }
  context_->progress.SavedByDeduplication(known_there);
  return needed;
}

absl::Status Uploader::Upload(const WelcomeInfo& welcome, std::vector<UploadItem>& items,
                              const HeadStart* head_start,
                              std::vector<TravellingChunk>& inline_chunks) {
  const std::vector<Needed> needed = CollectNeeded(items, head_start);
  if (needed.empty()) return Flush();
  uint64_t bytes = 0;
  for (const Needed& chunk : needed) bytes += chunk.ref.size;
  // Frames are never larger than their chunk and a header.
  if (bytes + needed.size() * kFrameHeaderSize <= welcome.inline_bytes) {
    PackInline(needed, items, inline_chunks);
  } else {
    FS_RETURN_IF_ERROR(Send(welcome, needed, items));
  }
  return Flush();
}

void Uploader::PackInline(const std::vector<Needed>& needed, std::vector<UploadItem>& items,
                          std::vector<TravellingChunk>& inline_chunks) {
  for (const Needed& chunk : needed) {
    std::unique_ptr<LocalFile> file;
    absl::Cord plain;
    if (chunk.plain != nullptr) {
      plain = absl::Cord(*chunk.plain);
    } else {
      absl::StatusOr<absl::Cord> read =
          ReadAgain(context_->location, items[chunk.item], chunk.ref, chunk.offset, file);
      if (!read.ok()) {
        items[chunk.item].changed = true;
        continue;
      }
      plain = *std::move(read);
    }
    inline_chunks.push_back(
        {chunk.ref.id, chunk.kind, EncodeFrame(plain, context_->frame_options())});
    NoteSent(chunk.ref, inline_chunks.back().frame.size());
  }
}

// Which of the chunks the server lacks.
absl::StatusOr<absl::flat_hash_set<ChunkId>> Uploader::Missing(
    const WelcomeInfo& welcome, const std::vector<ChunkRef>& chunks) {
  std::vector<ChunkId> ids;
  ids.reserve(chunks.size());
  for (const ChunkRef& ref : chunks) ids.push_back(ref.id);
  FS_ASSIGN_OR_RETURN(const std::vector<ChunkId> missing_ids,
                      context_->link->FindMissingChunks(welcome.folder, ids));
  absl::flat_hash_set<ChunkId> missing(missing_ids.begin(), missing_ids.end());
  for (const ChunkRef& ref : chunks) {
    if (!missing.contains(ref.id)) context_->progress.SavedByDeduplication(ref.size);
  }
  return missing;
}

absl::Status Uploader::SendEarly(const WelcomeInfo& welcome, const RelPath& path,
                                 std::vector<ReadChunk> chunks, HeadStart& head_start) {
  if (head_start.stream != 0 && !IsOpen(head_start.stream)) {
    return Unavailable("the upload was interrupted");
  }
  std::vector<ChunkRef> refs;
  refs.reserve(chunks.size());
  for (const ReadChunk& chunk : chunks) refs.push_back(chunk.ref);
  FS_ASSIGN_OR_RETURN(absl::flat_hash_set<ChunkId> missing, Missing(welcome, refs));
  for (ReadChunk& chunk : chunks) {
    // Each once, however often it occurs.
    const bool is_missing = missing.erase(chunk.ref.id) > 0;
    if (is_missing) {
      FS_RETURN_IF_ERROR(Queue(
          welcome, chunk.ref,
          {chunk.ref.id, ChunkKind::kData, EncodeFrame(chunk.plain, context_->frame_options())}));
      head_start.stream = streams_opened_;
    }
    const bool first_time = head_start.ids.insert(chunk.ref.id).second;
    if (first_time && !is_missing) head_start.tells = false;
    if (head_start.tells) Tell(path, chunk.ref, head_start);
    context_->progress.Advance(TransferDirection::kUp, path, chunk.ref.size);
  }
  return SendQueued();
}

// Others are told of the chunk, which is on the server or in the message that goes next.
void Uploader::Tell(const RelPath& path, const ChunkRef& ref, HeadStart& head_start) {
  if (part_.has_value() && part_->chunks.size() >= kMostTold) {
    head_start.tells = false;
    return;
  }
  if (head_start.transfer == 0) head_start.transfer = ++transfers_;
  if (!part_.has_value() || part_->transfer != head_start.transfer) {
    part_ = UpcomingPart{head_start.transfer, path, head_start.size, head_start.told, {}};
  }
  part_->chunks.push_back(ref);
  ++head_start.told;
}

absl::Status Uploader::Send(const WelcomeInfo& welcome, const std::vector<Needed>& needed,
                            std::vector<UploadItem>& items) {
  std::vector<ChunkRef> refs;
  refs.reserve(needed.size());
  for (const Needed& chunk : needed) refs.push_back(chunk.ref);
  FS_ASSIGN_OR_RETURN(const absl::flat_hash_set<ChunkId> missing, Missing(welcome, refs));
  std::unique_ptr<LocalFile> file;
  size_t file_item = SIZE_MAX;
  for (const Needed& chunk : needed) {
    UploadItem& item = items[chunk.item];
    if (!missing.contains(chunk.ref.id)) {
      NoteHandled(item, chunk);
      continue;
    }
    absl::Cord plain;
    if (chunk.plain != nullptr) {
      plain = absl::Cord(*chunk.plain);
    } else {
      if (item.changed) continue;
      if (file_item != chunk.item) file.reset();
      file_item = chunk.item;
      absl::StatusOr<absl::Cord> read =
          ReadAgain(context_->location, item, chunk.ref, chunk.offset, file);
      if (!read.ok()) {
        item.changed = true;
        continue;
      }
      plain = *std::move(read);
    }
    FS_RETURN_IF_ERROR(
        Queue(welcome, chunk.ref,
              {chunk.ref.id, chunk.kind, EncodeFrame(plain, context_->frame_options())}));
    NoteHandled(item, chunk);
  }
  return SendQueued();
}

absl::Status Uploader::Queue(const WelcomeInfo& welcome, const ChunkRef& ref,
                             TravellingChunk chunk) {
  if (stream_ == nullptr) {
    FS_ASSIGN_OR_RETURN(stream_, context_->link->Upload(welcome.folder, context_->agent_id));
    ++streams_opened_;
  }
  const size_t size = chunk.frame.size();
  NoteSent(ref, size);
  if (queued_bytes_ + size > kMessageBytes && !queued_.empty()) FS_RETURN_IF_ERROR(SendQueued());
  queued_bytes_ += size;
  queued_.push_back(std::move(chunk));
  return absl::OkStatus();
}

// So many bytes travel for the chunk.
void Uploader::NoteSent(const ChunkRef& ref, size_t frame_bytes) {
  if (frame_bytes < ref.size) context_->progress.SavedByCompression(ref.size - frame_bytes);
}

// The chunk is on the server, or on its way there.
void Uploader::NoteHandled(const UploadItem& item, const Needed& chunk) {
  if (chunk.kind != ChunkKind::kData) return;
  context_->progress.Advance(TransferDirection::kUp, item.path, chunk.ref.size);
}

absl::Status Uploader::SendQueued() {
  if (queued_.empty()) return absl::OkStatus();
  queued_bytes_ = 0;
  absl::Status sent = stream_->Send(std::exchange(queued_, {}), std::exchange(part_, std::nullopt));
  if (!sent.ok()) stream_.reset();
  return sent;
}

// Until the server has stored all that was sent.
absl::Status Uploader::Flush() {
  if (stream_ == nullptr) return absl::OkStatus();
  absl::Status flushed = stream_->Flush();
  if (!flushed.ok()) stream_.reset();
  return flushed;
}

}  // namespace filesync
