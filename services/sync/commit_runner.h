// CommitRunner: a batch into the store, its answer into messages. Blocks on the disk.
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "filesync/v1/sync.pb.h"
#include "services/sync/commit_assembler.h"
#include "services/sync/sync_dependencies.h"

namespace filesync {

struct CommitAnswer {
  std::vector<v1::SyncResponse> messages;  // in the order to send them
  std::vector<uint64_t> accepted;          // versions, in order
};

// A batch that could not be decided is an answer too. An error status is the stream's end: the
// agent broke the rules of batches.
absl::StatusOr<CommitAnswer> RunCommit(const SyncDependencies& dependencies, FolderId folder,
                                       const std::string& agent_id, CommitBatch batch);

// Reads content list pieces that are members of `folder`; NotFound for others.
ListReader NewListReader(MetadataStore* metadata, ChunkStore* chunks, FolderId folder);

}  // namespace filesync
