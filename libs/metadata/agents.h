// Agents: what the store remembers of each agent of a folder. For this library's own use.
// Thread-safe, but for two calls of PutAgent for one agent at a time.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/kv/kv_store.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

// Keeps the highest version that the agent ever had. Synced when it is new.
absl::Status PutAgent(KvStore* kv, const AgentRecord& record);
// NotFound: it was never put.
absl::StatusOr<AgentRecord> GetAgent(KvStore* kv, FolderId folder, const std::string& id);
absl::StatusOr<std::vector<AgentRecord>> ListAgents(KvStore* kv, FolderId folder);
// Adds to `batch` what removes the agent's row, its batches and the conflicts that it holds.
// NotFound: it has no row.
absl::StatusOr<ForgottenAgent> RemoveAgent(KvStore* kv, FolderId folder, const std::string& id,
                                           KvBatch& batch);

}  // namespace filesync
