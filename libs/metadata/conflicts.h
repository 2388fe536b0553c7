// Conflicts: the records of what agents hold for a person. Each agent's rows are its last report,
// so a report can come twice, and one after a restart puts right whatever was left. Thread-safe
// as the store is; two reports of one agent at once are the caller's to keep apart.
#pragma once

#include <string>
#include <vector>

#include "libs/kv/kv_store.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

// See MetadataStore::PutConflicts. `now_ns`: the server's clock.
absl::StatusOr<ConflictNews> WriteConflicts(KvStore* kv, FolderId folder,
                                            const std::string& agent_id,
                                            const std::string& agent_name,
                                            const ConflictReport& report, int64_t now_ns);

// Adds to `batch` what removes all that the agent holds; the result is what that settles.
absl::StatusOr<std::vector<ConflictRecord>> RemoveConflicts(KvStore* kv, FolderId folder,
                                                            const std::string& agent_id,
                                                            KvBatch& batch);

// See MetadataStore::ListConflicts.
absl::StatusOr<ConflictPage> ReadConflicts(KvStore* kv, FolderId folder, const RelPath& prefix,
                                           const std::optional<ConflictPosition>& after,
                                           size_t limit);

}  // namespace filesync
