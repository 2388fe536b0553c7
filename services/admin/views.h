// Views: the model as people read it: escaped paths, hex ids, times. Thread-safe.
#pragma once

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "filesync/v1/admin.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/metadata/metadata_store.h"
#include "libs/reconcile/conflict_copies.h"
#include "services/admin/admin_service.h"
#include "services/sync/sessions.h"

namespace filesync {

void SetTimestamp(int64_t ns, google::protobuf::Timestamp* timestamp);
v1::EntryView ToView(const Entry& entry);
v1::HistoryView ToView(const HistoryRecord& record);
v1::FolderView ToView(const FolderInfo& folder, size_t connected_agents);
// `head`: published head of its folder.
v1::AgentView ToView(const SessionInfo& session, uint64_t head, bool connected);
v1::AgentView ToView(const AgentRecord& agent, const FolderInfo& folder);

// What the agents of a folder are called.
class AgentNames {
 public:
  AgentNames(const AdminDependencies& dependencies, FolderId folder);
  // Its hex id when its name is not known.
  std::string Of(const std::string& id) const;

 private:
  absl::flat_hash_map<std::string, std::string> names_;
};

// Whether its agent is connected is the caller's to say.
v1::ConflictView ToView(const ConflictRecord& record, const AgentNames& names);
// `original`: what stands under the name; null when nothing does.
v1::ConflictView ToView(const Entry& copy, const ConflictCopyName& name, const Entry* original,
                        const AgentNames& names);

}  // namespace filesync
