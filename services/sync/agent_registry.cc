#include "services/sync/agent_registry.h"

#include <utility>

#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {

AgentRegistry::AgentRegistry(const AgentRegistryDependencies& dependencies)
    : dependencies_(dependencies) {}

absl::StatusOr<AgentRegistry::Known> AgentRegistry::Find(FolderId folder,
                                                         const std::string& agent_id,
                                                         const Cursor& cursor) {
  const absl::StatusOr<AgentRecord> record = dependencies_.metadata->GetAgent(folder, agent_id);
  if (record.ok()) return Known{record->had_version, /*forgotten=*/false};
  if (!absl::IsNotFound(record.status())) return record.status();
  // A new one has no cursor; and an agent that has seen what came after the last forgetting was not
  // among the forgotten.
  if (cursor.incarnation.empty()) return Known{};
  FS_ASSIGN_OR_RETURN(const FolderInfo info, dependencies_.metadata->GetFolder(folder));
  return Known{
      0, /*forgotten=*/cursor.version <= info.forgotten_through && info.forgotten_through > 0};
}

absl::StatusOr<AgentRegistry::Known> AgentRegistry::Look(FolderId folder,
                                                         const std::string& agent_id,
                                                         const Cursor& cursor) {
  // It does not exist.
  if (folder == 0) return Known{};
  absl::MutexLock lock(&mutex_);
  return Find(folder, agent_id, cursor);
}

absl::StatusOr<AgentRegistry::Known> AgentRegistry::Admit(SessionInfo info,
                                                          std::weak_ptr<SessionControl> control) {
  absl::MutexLock lock(&mutex_);
  FS_ASSIGN_OR_RETURN(Known known, Find(info.folder, info.agent_id, info.applied));
  if (known.forgotten) {
    dependencies_.log->Warn(
        "folder {}: agent {} ({}) comes back after it was forgotten; it merges what it holds",
        info.folder_name, info.agent_name, HexEncode(info.agent_id));
    info.applied = Cursor();
  } else if (const absl::Status put = Put(info); !put.ok()) {
    // A full disk keeps nobody out.
    dependencies_.log->Warn("agent {}: it was not noted: {}", info.agent_name, Describe(put));
  }
  known.session_key = dependencies_.sessions->Open(std::move(info), std::move(control));
  return known;
}

absl::Status AgentRegistry::Put(const SessionInfo& info) {
  return dependencies_.metadata->PutAgent({info.agent_id, info.agent_name, info.folder,
                                           info.applied,
                                           absl::ToUnixNanos(dependencies_.clock->Now())});
}

absl::Status AgentRegistry::Note(uint64_t session_key, const SessionInfo& info) {
  absl::MutexLock lock(&mutex_);
  if (!dependencies_.sessions->Has(session_key)) return absl::OkStatus();
  return Put(info);
}

absl::Status AgentRegistry::CheckAbsent(const FolderInfo& folder,
                                        const std::string& agent_id) const {
  if (!dependencies_.sessions->IsConnected(folder.id, agent_id)) return absl::OkStatus();
  return FailedPrecondition("agent {} is connected to folder \"{}\": stop it first",
                            HexEncode(agent_id), folder.name);
}

absl::StatusOr<ForgottenAgent> AgentRegistry::Forget(const FolderInfo& folder,
                                                     const std::string& agent_id) {
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(CheckAbsent(folder, agent_id));
  return ForgetLocked(folder, agent_id);
}

absl::StatusOr<ForgottenAgent> AgentRegistry::ForgetLocked(const FolderInfo& folder,
                                                           const std::string& agent_id) {
  FS_ASSIGN_OR_RETURN(ForgottenAgent forgotten,
                      dependencies_.metadata->ForgetAgent(folder.id, agent_id));
  dependencies_.log->Info("folder {}: agent {} ({}) is forgotten, with {} conflicts that it held",
                          folder.name, forgotten.agent.name, HexEncode(agent_id),
                          forgotten.settled.size());
  if (!forgotten.settled.empty()) {
    dependencies_.conflicts->Announce(folder.id, ConflictNews{{}, forgotten.settled});
  }
  return forgotten;
}

void AgentRegistry::Age(absl::Duration elapsed, absl::Duration most) {
  for (const FolderInfo& folder : dependencies_.metadata->ListFolders()) {
    if (const absl::Status aged = AgeFolder(folder, elapsed, most); !aged.ok()) {
      dependencies_.log->Warn("folder {}: who has been absent for long could not be told: {}",
                              folder.name, Describe(aged));
    }
  }
}

absl::Status AgentRegistry::AgeFolder(const FolderInfo& folder, absl::Duration elapsed,
                                      absl::Duration most) {
  absl::MutexLock lock(&mutex_);
  FS_ASSIGN_OR_RETURN(std::vector<AgentRecord> records,
                      dependencies_.metadata->ListAgents(folder.id));
  for (AgentRecord& record : records) {
    if (dependencies_.sessions->IsConnected(folder.id, record.id)) continue;
    record.absent_ns += absl::ToInt64Nanoseconds(elapsed);
    if (absl::Nanoseconds(record.absent_ns) > most) {
      FS_RETURN_IF_ERROR(ForgetLocked(folder, record.id).status());
    } else {
      FS_RETURN_IF_ERROR(dependencies_.metadata->PutAgent(record));
    }
  }
  return absl::OkStatus();
}

}  // namespace filesync
