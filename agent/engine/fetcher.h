// Fetcher: makes staged files from contents: what is already here is copied (the file's old
// version, or another file with the same content), the rest is downloaded, and every chunk is
// checked against its id. One thread (a lane).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/engine/early_download.h"
#include "agent/engine/engine_context.h"
#include "libs/content/looks.h"

namespace filesync {

using InlineChunks = absl::flat_hash_map<ChunkId, absl::Cord>;  // id -> frame

struct FetchItem {
  Entry entry;  // a file
  // A local file that may hold some of the content, and what it is made of.
  std::optional<BaseRow> source;
  // What it looks like is asked for, even where its content is not.
  bool looks_decide = false;
  // Set by Fetch.
  absl::Status status;
  std::unique_ptr<StagedFile> staged;
  Looks looks = Looks::kBlank;  // of the content
  AttributeLoss loss;           // what could not be stored of it
};

class Fetcher {
 public:
  // `early`: what was fetched before it was committed, on the same lane; null: nothing is.
  explicit Fetcher(EngineContext* context, EarlyDownload* early = nullptr)
      : context_(context), early_(early) {}

  // Stages all items, with metadata, durably. An item that fails has its status; the others are
  // staged all the same.
  void Fetch(FolderId folder, const InlineChunks& inline_chunks, std::vector<FetchItem>& items);

 private:
  class Assembly;
  absl::Status StageWithoutContent(FolderId folder, const InlineChunks& inline_chunks,
                                   FetchItem& item);
  absl::StatusOr<Looks> LookAtFirst(FolderId folder, const InlineChunks& inline_chunks,
                                    const FetchItem& item);
  ListReader ListReaderFor(FolderId folder, const FetchItem& item);
  absl::Status FetchGroup(FolderId folder, const InlineChunks& inline_chunks,
                          std::vector<Assembly>& group);

  EngineContext* const context_;
  EarlyDownload* const early_;
};

}  // namespace filesync
