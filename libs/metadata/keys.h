// Keys: where everything stands in the store. Big-endian, so that keys sort as they count.
//
//   table         key                                          value
//   system        name                                         see metadata_store.cc
//   incarnations  number (4)                                   StoredIncarnation
//   folders       folder (8)                                   StoredFolder
//   batches       folder (8) agent (16)                        last batch number (8)
//                 folder (8) agent (16) batch (8)              StoredBatch
//   entries       folder (8) path key                          StoredEntry
//   changes       folder (8) version (8)                       StoredChange
//   history       folder (8) path key, 0 0, version (8)        StoredHistory
//   membership    folder (8) chunk id (32)                     empty
//   agents        folder (8) agent (16)                        StoredAgent
//   conflicts     folder (8) agent (16) path key               StoredConflict; without a path: how
//                                                              many more the agent holds
//
// A path key is RelPath::SortKey: '/' is byte 0, so a subtree is one range, and no path key
// holds two zero bytes in a row. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/content/content.h"
#include "libs/kv/kv_store.h"
#include "libs/paths/rel_path.h"

namespace filesync::keys {

enum Table : KvTable {
  kSystem,
  kIncarnations,
  kFolders,
  kBatches,
  kEntries,
  kChanges,
  kHistory,
  kMembership,
  kAgents,
  kConflicts,
  kTables,  // how many there are
};

std::string Incarnation(uint32_t number);
std::string Folder(uint64_t folder);
std::string LastBatch(uint64_t folder, std::string_view agent);
std::string Batch(uint64_t folder, std::string_view agent, uint64_t batch);
std::string Entry(uint64_t folder, const RelPath& path);
// All entries below `directory` start with it.
std::string EntriesBelow(uint64_t folder, const RelPath& directory);
// Comes after `directory` and all entries below it, and before whatever follows them.
std::string PastBelow(uint64_t folder, const RelPath& directory);
std::string Change(uint64_t folder, uint64_t version);
// All history of `path` starts with it.
std::string HistoryOf(uint64_t folder, const RelPath& path);
std::string History(uint64_t folder, const RelPath& path, uint64_t version);
std::string Member(uint64_t folder, const ChunkId& id);
std::string Agent(uint64_t folder, std::string_view agent);
// All conflicts that `agent` (16 bytes) holds start with it.
std::string ConflictsOf(uint64_t folder, std::string_view agent);
std::string Conflict(uint64_t folder, std::string_view agent, const RelPath& path);

}  // namespace filesync::keys
