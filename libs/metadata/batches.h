// Batches: what the store remembers of each agent's commits, so that a repeated one gets its first
// answer. For this library's own use. Thread-safe, but for two commits of one folder at a time.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/kv/kv_store.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

// The highest batch number that is remembered for this agent; 0: none.
absl::StatusOr<uint64_t> LastBatch(KvStore* kv, FolderId folder, const std::string& agent_id);

// The stored answer to this batch, if it was answered before. InvalidArgument when its number was
// used for another batch, FailedPrecondition when it is not remembered any more.
absl::StatusOr<std::optional<CommitResult>> RememberedAnswer(KvStore* kv,
                                                             const CommitRequest& request);

// Adds to `batch` what remembers the answer, and forgets the one `remembered` batches before it.
void RememberBatch(const CommitRequest& request, const CommitResult& result, size_t remembered,
                   KvBatch& batch);

}  // namespace filesync
