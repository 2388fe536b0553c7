#include "agent/engine/fetcher.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/chunking/zero_run.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

// Files are downloaded in groups of about this many bytes, so that a broken connection costs
// little and open files stay few.
constexpr uint64_t kGroupBytes = 8 << 20;
constexpr size_t kGroupFiles = 256;

}  // namespace

// One file being put together, chunk by chunk in order.
class Fetcher::Assembly {
 public:
  Assembly(EngineContext* context, EarlyDownload* early, FetchItem* item)
      : context_(context), early_(early), item_(item) {}

  // Finds out which chunks it is made of and where each can come from.
  absl::Status Plan(const ListReader& lists, const InlineChunks& inline_chunks) {
    inline_ = &inline_chunks;
    FS_ASSIGN_OR_RETURN(chunks_, DataChunks(item_->entry.content, lists));
    const uint64_t data = FindZeros();
    uint64_t done = 0;
    if (!TakeBegun(&done)) FS_RETURN_IF_ERROR(Stage(data));
    context_->progress.Begin(TransferDirection::kDown, item_->entry.path, item_->entry.content.size,
                             done);
    if (!item_->source.has_value()) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<LocalFile>> file =
        context_->location->Open(item_->source->entry.path);
    // What can't be read here is downloaded.
    if (!file.ok()) return absl::OkStatus();
    const absl::StatusOr<std::vector<ChunkRef>> here =
        DataChunks(item_->source->entry.content, lists);
    if (!here.ok()) return absl::OkStatus();
    source_ = *std::move(file);
    uint64_t offset = 0;
    for (const ChunkRef& ref : *here) {
      offsets_.try_emplace(ref.id, offset);
      offset += ref.size;
    }
    return absl::OkStatus();
  }

  // Appends what is at hand from the next chunk on; appends to `ids` what has to be downloaded.
  // Called once, before Take; then the download goes through in order.
  void CollectMissing(std::vector<ChunkId>& ids) {
    for (size_t i = next_; i < chunks_.size(); ++i) {
      const ChunkRef& ref = chunks_[i];
      if (IsZeros(ref)) continue;
      if (!inline_->contains(ref.id) && !offsets_.contains(ref.id)) ids.push_back(ref.id);
    }
  }

  // Appends chunks from here as far as they go. A local chunk that turns out to be different is
  // downloaded on its own.
  absl::Status AppendLocal(FolderId folder) {
    while (next_ < chunks_.size()) {
      const ChunkRef& ref = chunks_[next_];
      if (IsZeros(ref)) {
        looked_at_ = true;  // a file that begins with a hole is blank
        FS_RETURN_IF_ERROR(item_->staged->AppendZeros(ref.size));
        context_->progress.SavedByDeduplication(ref.size);
      } else if (const auto it = inline_->find(ref.id); it != inline_->end()) {
        FS_ASSIGN_OR_RETURN(const absl::Cord plain,
                            DecodeAndVerifyFrame(it->second, ChunkKind::kData, ref.id));
        NoteReceived(ref, it->second.size());
        FS_RETURN_IF_ERROR(Append(plain));
      } else if (const auto here = offsets_.find(ref.id); here != offsets_.end()) {
        FS_RETURN_IF_ERROR(AppendFromSource(folder, ref, here->second));
      } else {
        return absl::OkStatus();
      }
      context_->progress.Advance(TransferDirection::kDown, item_->entry.path, ref.size);
      ++next_;
    }
    return absl::OkStatus();
  }

  // Appends the next chunk, which was downloaded.
  absl::Status AppendDownloaded(const absl::Cord& frame) {
    const ChunkRef& ref = chunks_[next_++];
    FS_ASSIGN_OR_RETURN(const absl::Cord plain,
                        DecodeAndVerifyFrame(frame, ChunkKind::kData, ref.id));
    if (plain.size() != ref.size) return DataLoss("a chunk is not of the size its list says");
    NoteReceived(ref, frame.size());
    context_->progress.Advance(TransferDirection::kDown, item_->entry.path, ref.size);
    return Append(plain);
  }

  absl::Status Finish() {
    if (next_ != chunks_.size()) return Internal("a file was not put together to its end");
    source_.reset();
    item_->loss = item_->staged->SetAttributes(item_->entry.attributes);
    return item_->staged->SetMetadata(item_->entry.mode, item_->entry.mtime_ns);
  }

  bool complete() const { return next_ == chunks_.size(); }
  FetchItem* item() { return item_; }

 private:
  absl::Status Append(const absl::Cord& plain) {
    if (!std::exchange(looked_at_, true)) item_->looks = LookAtHead(plain);
    for (const absl::string_view piece : plain.Chunks()) {
      FS_RETURN_IF_ERROR(item_->staged->Append({piece.data(), piece.size()}));
    }
    return absl::OkStatus();
  }

  // So many bytes travelled for the chunk.
  void NoteReceived(const ChunkRef& ref, size_t frame_bytes) {
    if (frame_bytes < ref.size) context_->progress.SavedByCompression(ref.size - frame_bytes);
  }

  // Goes on with what was fetched before it was committed, `done` bytes; false: nothing was.
  bool TakeBegun(uint64_t* done) {
    if (early_ == nullptr) return false;
    std::optional<EarlyDownload::Begun> begun = early_->Adopt(item_->entry.path, chunks_);
    if (!begun.has_value()) return false;
    item_->staged = std::move(begun->staged);
    item_->looks = begun->looks;
    looked_at_ = true;
    next_ = begun->chunks;
    *done = begun->bytes;
    return true;
  }

  // Known by its name: it is neither fetched nor written.
  bool IsZeros(const ChunkRef& ref) const { return zeros_.has_value() && ref == *zeros_; }

  // How many bytes are no holes.
  uint64_t FindZeros() {
    const Content& content = item_->entry.content;
    uint64_t data = content.size;
    if (ChunkSizes::IsValidAverage(content.average_size)) {
      zeros_ = ZeroChunk(ChunkSizes{content.average_size});
      const auto holes = static_cast<uint64_t>(std::count(chunks_.begin(), chunks_.end(), *zeros_));
      data -= std::min(data, holes * zeros_->size);
    }
    return data;
  }

  absl::Status Stage(uint64_t data) {
    Location& location = *context_->location;
    const auto stage = [&] {
      const RelPath& path = item_->entry.path;
      return data == item_->entry.content.size ? location.Stage(path, data)
                                               : location.StageSparse(path, data);
    };
    absl::StatusOr<std::unique_ptr<StagedFile>> staged = stage();
    // What was committed goes before what was not.
    if (!staged.ok() && early_ != nullptr && early_->GiveWay()) staged = stage();
    FS_ASSIGN_OR_RETURN(item_->staged, std::move(staged));
    return absl::OkStatus();
  }

  absl::Status AppendFromSource(FolderId folder, const ChunkRef& ref, uint64_t offset) {
    std::string here(ref.size, '\0');
    const absl::StatusOr<size_t> got = source_->ReadAt(offset, here.data(), here.size());
    if (got.ok() && *got == here.size() && HashChunk(ChunkKind::kData, here) == ref.id) {
      context_->progress.SavedByDeduplication(here.size());
      return Append(absl::Cord(std::move(here)));
    }
    absl::Cord frame;
    FS_RETURN_IF_ERROR(
        context_->link->Download(folder, {ref.id}, [&frame](size_t, absl::Cord bytes) {
          frame = std::move(bytes);
          return absl::OkStatus();
        }));
    FS_ASSIGN_OR_RETURN(const absl::Cord plain,
                        DecodeAndVerifyFrame(frame, ChunkKind::kData, ref.id));
    return Append(plain);
  }

  EngineContext* context_;
  EarlyDownload* early_;
  FetchItem* item_;
  const InlineChunks* inline_ = nullptr;
  std::vector<ChunkRef> chunks_;
  std::optional<ChunkRef> zeros_;  // what holes are made of
  size_t next_ = 0;
  bool looked_at_ = false;
  std::unique_ptr<LocalFile> source_;
  absl::flat_hash_map<ChunkId, uint64_t> offsets_;
};

// Pieces come from the cache, the others from the server, checked, and are kept for the next
// time.
ListReader Fetcher::ListReaderFor(FolderId folder, const FetchItem& item) {
  const RelPath path = item.entry.path;
  const ContentHash content = item.entry.content.hash;
  const ContentHash keep =
      item.source.has_value() ? item.source->entry.content.hash : ContentHash();
  return [this, folder, path, content,
          keep](const std::vector<ChunkId>& ids) -> absl::StatusOr<std::vector<std::string>> {
    FS_ASSIGN_OR_RETURN(const auto cached, context_->state->GetPieces(ids));
    std::vector<std::string> pieces(ids.size());
    std::vector<ChunkId> missing;
    std::vector<size_t> where;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (cached[i].has_value() && HashChunk(ChunkKind::kList, *cached[i]) == ids[i]) {
        pieces[i] = *cached[i];
      } else {
        missing.push_back(ids[i]);
        where.push_back(i);
      }
    }
    if (!missing.empty()) {
      FS_RETURN_IF_ERROR(context_->link->Download(
          folder, missing, [&](size_t index, absl::Cord frame) -> absl::Status {
            FS_ASSIGN_OR_RETURN(const absl::Cord plain,
                                DecodeAndVerifyFrame(frame, ChunkKind::kList, missing[index]));
            pieces[where[index]] = std::string(plain);
            return absl::OkStatus();
          }));
    }
    std::vector<std::pair<ChunkId, std::string>> used;
    for (size_t i = 0; i < ids.size(); ++i) used.emplace_back(ids[i], pieces[i]);
    FS_RETURN_IF_ERROR(context_->state->PutPieces(path, content, keep, used));
    return pieces;
  };
}

// What the content looks like, by its first chunk alone.
absl::StatusOr<Looks> Fetcher::LookAtFirst(FolderId folder, const InlineChunks& inline_chunks,
                                           const FetchItem& item) {
  const Content& content = item.entry.content;
  FS_ASSIGN_OR_RETURN(const std::vector<ChunkRef> chunks,
                      DataChunks(content, ListReaderFor(folder, item)));
  if (chunks.empty()) return Looks::kBlank;
  const ChunkRef& first = chunks.front();
  if (ChunkSizes::IsValidAverage(content.average_size) &&
      first == ZeroChunk(ChunkSizes{content.average_size})) {
    return Looks::kBlank;
  }
  absl::Cord frame;
  if (const auto it = inline_chunks.find(first.id); it != inline_chunks.end()) {
    frame = it->second;
  } else {
    FS_RETURN_IF_ERROR(
        context_->link->Download(folder, {first.id}, [&frame](size_t, absl::Cord bytes) {
          frame = std::move(bytes);
          return absl::OkStatus();
        }));
  }
  FS_ASSIGN_OR_RETURN(const absl::Cord plain,
                      DecodeAndVerifyFrame(frame, ChunkKind::kData, first.id));
  return LookAtHead(plain);
}

// For a dry run: what would be fetched, without its bytes.
absl::Status Fetcher::StageWithoutContent(FolderId folder, const InlineChunks& inline_chunks,
                                          FetchItem& item) {
  item.looks = Looks::kOther;
  if (item.looks_decide) {
    FS_ASSIGN_OR_RETURN(item.looks, LookAtFirst(folder, inline_chunks, item));
  }
  FS_ASSIGN_OR_RETURN(item.staged,
                      context_->location->Stage(item.entry.path, item.entry.content.size));
  item.loss = item.staged->SetAttributes(item.entry.attributes);
  return item.staged->SetMetadata(item.entry.mode, item.entry.mtime_ns);
}

void Fetcher::Fetch(FolderId folder, const InlineChunks& inline_chunks,
                    std::vector<FetchItem>& items) {
  for (size_t begin = 0; begin < items.size();) {
    std::vector<Assembly> group;
    uint64_t bytes = 0;
    while (begin < items.size() && group.size() < kGroupFiles && bytes < kGroupBytes) {
      FetchItem& item = items[begin++];
      if (context_->fetches && !context_->fetches(item.entry)) {
        item.status = StageWithoutContent(folder, inline_chunks, item);
        continue;
      }
      bytes += item.entry.content.size;
      Assembly assembly(context_, early_, &item);
      item.status = assembly.Plan(ListReaderFor(folder, item), inline_chunks);
      if (item.status.ok()) group.push_back(std::move(assembly));
    }
    const absl::Status fetched = FetchGroup(folder, inline_chunks, group);
    for (Assembly& assembly : group) {
      FetchItem* item = assembly.item();
      if (item->status.ok() && !fetched.ok() && !assembly.complete()) item->status = fetched;
      if (item->status.ok()) item->status = assembly.Finish();
    }
  }
  std::vector<StagedFile*> staged;
  for (FetchItem& item : items) {
    if (item.status.ok()) {
      staged.push_back(item.staged.get());
    } else {
      item.staged.reset();
    }
  }
  if (staged.empty()) return;
  const absl::Status synced = context_->location->SyncStaged(staged);
  if (synced.ok()) return;
  for (FetchItem& item : items) {
    if (!item.status.ok()) continue;
    item.status = synced;
    item.staged.reset();
  }
}

absl::Status Fetcher::FetchGroup(FolderId folder, const InlineChunks&,
                                 std::vector<Assembly>& group) {
  std::vector<ChunkId> ids;
  std::vector<Assembly*> owners;
  for (Assembly& assembly : group) {
    assembly.CollectMissing(ids);
    owners.resize(ids.size(), &assembly);
  }
  Assembly* current = nullptr;
  // Files whose own chunk can't be had or written fail alone; the stream goes on for the rest.
  auto append_local = [&](Assembly* assembly) {
    if (assembly->item()->status.ok()) {
      assembly->item()->status = assembly->AppendLocal(folder);
    }
  };
  absl::Status downloaded;
  if (!ids.empty()) {
    downloaded =
        context_->link->Download(folder, ids, [&](size_t index, absl::Cord frame) -> absl::Status {
          Assembly* assembly = owners[index];
          if (assembly != current) {
            current = assembly;
            append_local(assembly);
          }
          absl::Status& status = assembly->item()->status;
          if (status.ok()) status = assembly->AppendDownloaded(frame);
          append_local(assembly);
          return absl::OkStatus();
        });
  }
  for (Assembly& assembly : group) append_local(&assembly);
  return downloaded;
}

}  // namespace filesync
