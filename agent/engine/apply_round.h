// What the parts of the apply flow hand to each other: a round of entries that are fetched,
// installed and recorded together. Only the apply flow's files include it.
#pragma once

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/engine/apply_flow.h"

namespace filesync {

struct ApplyFlow::Item {
  Situation situation;
  Entry target;
  enum class Kind : uint8_t { kInstall, kDelete, kRecord } kind = Kind::kInstall;
  // Index into Round::fetch; negative: no content is needed.
  int fetch = -1;
};

struct ApplyFlow::Round {
  std::vector<Item> items;
  std::vector<FetchItem> fetch;
  InlineChunks inline_chunks;
  FolderId folder = 0;
  bool fetched = false;
  // Entries to be kept in the remote rows, decided later.
  std::vector<Entry> stash;
  std::vector<BaseRow> rows;                          // to record
  std::vector<RelPath> forget;                        // bases to delete
  std::vector<Entry> ignored;                         // to be put on the shelf
  std::vector<std::pair<RelPath, uint64_t>> applied;  // remote rows to delete, up to a version
  std::vector<RelPath> held;                          // claimed until the round is recorded
  std::set<RelPath> later;                            // of the stash: decided in a moment
  std::optional<Cursor> through;
  // A directory that is to be made and is not here, so nothing below it is; root: none.
  RelPath absent;
  bool loses = false;       // something is deleted by it
  bool few_losses = false;  // what it deletes or replaces needs no judgement
};

}  // namespace filesync
