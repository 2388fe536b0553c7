// Uploader: gets the content of a commit to the server: asks what is missing, reads it again
// where it was not kept, checks it, packs it, sends it and waits until it is stored.
// One thread (a lane); keeps its upload stream between calls.
#pragma once

#include <memory>
#include <vector>

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

class Uploader {
 public:
  explicit Uploader(EngineContext* context) : context_(context) {}

  // Makes sure that all chunks of `items` are stored in the folder, except those it returns in
  // `inline_chunks`, which are few and small and travel with the commit. Unavailable when the
  // connection is lost.
  absl::Status Upload(const WelcomeInfo& welcome, std::vector<UploadItem>& items,
                      std::vector<TravellingChunk>& inline_chunks);

 private:
  struct Needed;
  absl::Status Send(const WelcomeInfo& welcome, const std::vector<Needed>& needed,
                    std::vector<UploadItem>& items);
  absl::Status Queue(TravellingChunk chunk);
  absl::Status SendQueued();

  EngineContext* const context_;
  std::unique_ptr<ChunkUpload> stream_;
  std::vector<TravellingChunk> queued_;
  size_t queued_bytes_ = 0;
};

}  // namespace filesync
