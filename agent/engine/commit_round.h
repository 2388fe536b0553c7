// What the parts of the commit flow hand to each other: a round of paths that are decided
// together, and the batch of changes that comes of it. Only the commit flow's files include it.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/engine/commit_flow.h"
#include "agent/engine/early_upload.h"

namespace filesync {

// How much content a round keeps in memory between reading and uploading.
inline constexpr int64_t kKeptBytesPerRound = 24 << 20;

struct CommitFlow::Round {
  std::vector<Situation> items;
  absl::flat_hash_set<RelPath> paths;
  uint64_t bytes = 0;
  size_t replacements = 0;  // of what the folder has, by what has nothing to do with it
  bool large = false;
  bool whole_tree = false;  // holds a moved tree: its size is the tree's
  // Where things moved, both ways.
  std::map<RelPath, RelPath> moved_to;
  std::map<RelPath, RelPath> moved_from;
  std::atomic<int64_t> keep_budget = kKeptBytesPerRound;
  std::atomic<int> tasks = 0;
  // Of a large new file; else null.
  std::shared_ptr<EarlyUpload> early;
  absl::Time started;
  uint64_t session = 0;  // EngineContext::session when it began
};

struct CommitFlow::Batch {
  uint64_t number = 0;
  std::vector<PendingChange> changes;
  std::vector<UploadItem> uploads;
  std::vector<TravellingChunk> inline_chunks;
  std::map<RelPath, size_t> deletions;  // index into changes, until they are ordered
  // Keeps what the uploads point to.
  RoundPtr round;
};

}  // namespace filesync
