// Views: the model as people read it: escaped paths, hex ids, times. Thread-safe.
#pragma once

#include <cstdint>

#include "filesync/v1/admin.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/metadata/metadata_store.h"
#include "services/sync/sessions.h"

namespace filesync {

void SetTimestamp(int64_t ns, google::protobuf::Timestamp* timestamp);
v1::EntryView ToView(const Entry& entry);
v1::HistoryView ToView(const HistoryRecord& record);
v1::FolderView ToView(const FolderInfo& folder, size_t connected_agents);
// `head`: published head of its folder.
v1::AgentView ToView(const SessionInfo& session, uint64_t head, bool connected);
v1::AgentView ToView(const AgentRecord& agent, const FolderInfo& folder);

}  // namespace filesync
