// AdminService: filesync.v1.AdminService over the callback API; see admin.proto. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "filesync/v1/admin.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/executor.h"
#include "libs/fanout/hub.h"
#include "libs/metadata/metadata_store.h"
#include "libs/telemetry/log.h"
#include "services/sync/agent_registry.h"
#include "services/sync/conflict_observers.h"
#include "services/sync/sessions.h"

namespace filesync {

// All of it outlives the service.
struct AdminDependencies {
  MetadataStore* metadata = nullptr;
  Hub* hub = nullptr;
  Sessions* sessions = nullptr;
  AgentRegistry* agents = nullptr;
  ConflictObservers* conflicts = nullptr;
  Executor* executor = nullptr;  // for all that may block
  const Clock* clock = nullptr;
  Logger* log = nullptr;
  std::string version;  // of the program
};

class WatchStream;

class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(AdminDependencies dependencies);
  ~AdminService() override;

  // Ends the streams of events and refuses new ones. Returns at once.
  void Drain();

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::GetServerInfoResponse* response) override;
  grpc::ServerUnaryReactor* ListFolders(grpc::CallbackServerContext* context,
                                        const v1::ListFoldersRequest* request,
                                        v1::ListFoldersResponse* response) override;
  grpc::ServerUnaryReactor* GetFolder(grpc::CallbackServerContext* context,
                                      const v1::GetFolderRequest* request,
                                      v1::GetFolderResponse* response) override;
  grpc::ServerUnaryReactor* CreateFolder(grpc::CallbackServerContext* context,
                                         const v1::CreateFolderRequest* request,
                                         v1::CreateFolderResponse* response) override;
  grpc::ServerUnaryReactor* SetFolderRules(grpc::CallbackServerContext* context,
                                           const v1::SetFolderRulesRequest* request,
                                           v1::SetFolderRulesResponse* response) override;
  grpc::ServerUnaryReactor* ListEntries(grpc::CallbackServerContext* context,
                                        const v1::ListEntriesRequest* request,
                                        v1::ListEntriesResponse* response) override;
  grpc::ServerUnaryReactor* GetEntry(grpc::CallbackServerContext* context,
                                     const v1::GetEntryRequest* request,
                                     v1::GetEntryResponse* response) override;
  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const v1::ListAgentsRequest* request,
                                       v1::ListAgentsResponse* response) override;
  grpc::ServerUnaryReactor* ForgetAgent(grpc::CallbackServerContext* context,
                                        const v1::ForgetAgentRequest* request,
                                        v1::ForgetAgentResponse* response) override;
  grpc::ServerUnaryReactor* ListConflicts(grpc::CallbackServerContext* context,
                                          const v1::ListConflictsRequest* request,
                                          v1::ListConflictsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) override;

 private:
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   std::function<absl::Status()> work);
  absl::StatusOr<FolderInfo> FindFolder(const std::string& name);
  size_t ConnectedAgents(FolderId folder);
  // One folder, or all by name when `name` is empty.
  absl::StatusOr<std::vector<FolderInfo>> FindFolders(const std::string& name);
  absl::Status AddAgents(const FolderInfo& folder, v1::ListAgentsResponse* response);
  absl::Status FillEntries(const v1::ListEntriesRequest& request,
                           v1::ListEntriesResponse* response);
  absl::Status FillEntry(const v1::GetEntryRequest& request, v1::GetEntryResponse* response);

  const AdminDependencies dependencies_;
  const absl::Time started_at_;
  // Agents are told of rules in the order in which these were stored.
  absl::Mutex rules_mutex_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<WatchStream>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
