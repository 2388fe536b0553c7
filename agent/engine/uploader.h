// Uploader: gets the content of a commit to the server: asks what is missing, reads it again
// where it was not kept, checks it, packs it, sends it and waits until it is stored.
// One thread (a lane); keeps its upload stream between calls.
#pragma once

#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/engine/engine_context.h"

namespace filesync {

// The content of one file of a commit.
struct UploadItem {
  RelPath path;
  const PreparedFile* file = nullptr;
  // Chunks that the server has because they are in the file's base; null: none known. Ignored
  // when `check_all`.
  const Content* base = nullptr;
  bool check_all = false;
  // Set by Upload: the file changed since it was prepared, so it must not be committed.
  bool changed = false;
};

// A chunk as it was read.
struct ReadChunk {
  ChunkRef ref;
  absl::Cord plain;
};

// Chunks that were sent, or found on the server, before the commit they belong to was decided.
struct HeadStart {
  absl::flat_hash_set<ChunkId> ids;
  // The upload stream they went through: what is on another is not known to have arrived. 0: none.
  uint64_t stream = 0;
  // For others to be told: the file's size in bytes, its number among the files sent (0: not told
  // of yet) and how many of its chunks they were told of.
  uint64_t size = 0;
  uint64_t transfer = 0;
  uint64_t told = 0;
  // So far it is all new to the server, and all of it is told. What the server had before others
  // may have too.
  bool tells = true;
};

class Uploader {
 public:
  explicit Uploader(EngineContext* context) : context_(context) {}

  // Makes sure that all chunks of `items` are stored in the folder, except those it returns in
  // `inline_chunks`, which are few and small and travel with the commit. `head_start`: of these
  // items, or null. Unavailable when the connection is lost.
  absl::Status Upload(const WelcomeInfo& welcome, std::vector<UploadItem>& items,
                      const HeadStart* head_start, std::vector<TravellingChunk>& inline_chunks);
  // Sends what the server lacks of `chunks` of the file `path`, waits for nothing, and notes them
  // in `head_start`.
  absl::Status SendEarly(const WelcomeInfo& welcome, const RelPath& path,
                         std::vector<ReadChunk> chunks, HeadStart& head_start);

 private:
  struct Needed;
  std::vector<Needed> CollectNeeded(const std::vector<UploadItem>& items,
                                    const HeadStart* head_start) const;
  void PackInline(const std::vector<Needed>& needed, std::vector<UploadItem>& items,
                  std::vector<TravellingChunk>& inline_chunks);
  absl::StatusOr<absl::flat_hash_set<ChunkId>> Missing(const WelcomeInfo& welcome,
                                                       const std::vector<ChunkRef>& chunks);
  absl::Status Send(const WelcomeInfo& welcome, const std::vector<Needed>& needed,
                    std::vector<UploadItem>& items);
  absl::Status Queue(const WelcomeInfo& welcome, const ChunkRef& ref, TravellingChunk chunk);
  void NoteSent(const ChunkRef& ref, size_t frame_bytes);
  void NoteHandled(const UploadItem& item, const Needed& chunk);
  absl::Status Flush();
  bool IsOpen(uint64_t stream) const { return stream_ != nullptr && stream == streams_opened_; }
  absl::Status SendQueued();
  void Tell(const RelPath& path, const ChunkRef& ref, HeadStart& head_start);

  EngineContext* const context_;
  std::unique_ptr<ChunkUpload> stream_;
  uint64_t streams_opened_ = 0;
  std::vector<TravellingChunk> queued_;
  size_t queued_bytes_ = 0;
  // What others are told with the next message.
  std::optional<UpcomingPart> part_;
  uint64_t transfers_ = 0;
};

}  // namespace filesync
