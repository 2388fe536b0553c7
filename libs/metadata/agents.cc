#include "libs/metadata/agents.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/metadata/conflicts.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/records.h"

namespace filesync {

absl::Status PutAgent(KvStore* kv, const AgentRecord& record) {
  AgentRecord kept = record;
  kept.had_version = record.cursor.version;
  const absl::StatusOr<AgentRecord> before = GetAgent(kv, record.folder, record.id);
  if (before.ok()) {
    kept.had_version = std::max(kept.had_version, before->had_version);
  } else if (!absl::IsNotFound(before.status())) {
    return before.status();
  }
  KvBatch batch;
  batch.Put(keys::kAgents, keys::Agent(record.folder, record.id), records::Encode(kept));
  // An agent without a row passes for one that was forgotten.
  return kv->Write(batch, /*synced=*/!before.ok());
}

absl::StatusOr<AgentRecord> GetAgent(KvStore* kv, FolderId folder, const std::string& id) {
  FS_ASSIGN_OR_RETURN(const std::string record, kv->Get(keys::kAgents, keys::Agent(folder, id)));
  return records::DecodeAgent(folder, id, record);
}

absl::StatusOr<std::vector<AgentRecord>> ListAgents(KvStore* kv, FolderId folder) {
  std::vector<AgentRecord> agents;
  const std::string prefix = keys::Folder(folder);
  const std::unique_ptr<KvIterator> iterator = kv->Iterate(keys::kAgents);
  for (iterator->Seek(prefix); iterator->Valid() && iterator->key().starts_with(prefix);
       iterator->Next()) {
    FS_ASSIGN_OR_RETURN(AgentRecord agent,
                        records::DecodeAgent(folder, iterator->key().substr(8), iterator->value()));
    agents.push_back(std::move(agent));
  }
  FS_RETURN_IF_ERROR(iterator->status());
  return agents;
}

absl::StatusOr<ForgottenAgent> RemoveAgent(KvStore* kv, FolderId folder, const std::string& id,
                                           KvBatch& batch) {
  ForgottenAgent forgotten;
  FS_ASSIGN_OR_RETURN(forgotten.agent, GetAgent(kv, folder, id));
  batch.Delete(keys::kAgents, keys::Agent(folder, id));
  const std::string batches = keys::LastBatch(folder, id);
  const std::unique_ptr<KvIterator> rows = kv->Iterate(keys::kBatches);
  for (rows->Seek(batches); rows->Valid() && rows->key().starts_with(batches); rows->Next()) {
    batch.Delete(keys::kBatches, std::string(rows->key()));
  }
  FS_RETURN_IF_ERROR(rows->status());
  FS_ASSIGN_OR_RETURN(forgotten.settled, RemoveConflicts(kv, folder, id, batch));
  return forgotten;
}

}  // namespace filesync
