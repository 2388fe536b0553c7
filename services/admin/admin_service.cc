#include "services/admin/admin_service.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/wire/convert.h"
#include "libs/wire/grpc_status.h"
#include "services/admin/list_conflicts.h"
#include "services/admin/views.h"
#include "services/admin/watch_stream.h"

namespace filesync {
namespace {

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kLargestPage = 1000;
// Callers' receive limit is 4 MiB when they did not raise it.
constexpr size_t kAnswerBytes = 3 << 20;

absl::StatusOr<RelPath> ParseReadablePath(const std::string& text) {
  absl::StatusOr<RelPath> path = RelPath::ParseForPeople(text);
  if (!path.ok()) {
    return InvalidArgument("path \"{}\": {}", EscapeForPeople(text),
                           ToStd(path.status().message()));
  }
  return path;
}

absl::StatusOr<std::optional<RelPath>> ParsePageToken(const std::string& token) {
  if (token.empty()) return std::optional<RelPath>();
  const std::optional<std::string> bytes = HexDecode(token);
  absl::StatusOr<RelPath> path = InvalidArgument("not hex");
  if (bytes.has_value()) path = RelPath::Parse(*bytes);
  if (!path.ok()) return InvalidArgument("the page token is not one of this server's");
  return std::optional<RelPath>(*std::move(path));
}

}  // namespace

AdminService::AdminService(AdminDependencies dependencies)
    : dependencies_(std::move(dependencies)), started_at_(dependencies_.clock->Now()) {}

AdminService::~AdminService() = default;

void AdminService::Drain() {
  std::vector<std::weak_ptr<WatchStream>> watchers;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    watchers.swap(watchers_);
  }
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) {
      watcher->End(Unavailable("the server is going away; come back later"));
    }
  }
}

grpc::ServerUnaryReactor* AdminService::Answer(grpc::CallbackServerContext* context,
                                               std::function<absl::Status()> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  dependencies_.executor->Schedule(
      [reactor, work = std::move(work)] { reactor->Finish(ToGrpc(work())); });
  return reactor;
}

absl::StatusOr<FolderInfo> AdminService::FindFolder(const std::string& name) {
  FS_RETURN_IF_ERROR(ValidateReadableName(name, kMaxFolderNameBytes, "folder name"));
  absl::StatusOr<FolderInfo> folder = dependencies_.metadata->GetFolder(name);
  if (absl::IsNotFound(folder.status())) {
    return NotFound("there is no folder \"{}\" on this server", name);
  }
  return folder;
}

size_t AdminService::ConnectedAgents(FolderId folder) {
  return dependencies_.sessions->List(folder).size();
}

grpc::ServerUnaryReactor* AdminService::GetServerInfo(grpc::CallbackServerContext* context,
                                                      const v1::GetServerInfoRequest*,
                                                      v1::GetServerInfoResponse* response) {
  return Answer(context, [this, response] {
    MetadataStore& metadata = *dependencies_.metadata;
    response->set_version(dependencies_.version);
    response->set_server_id(HexEncode(metadata.ServerId()));
    response->set_incarnation(HexEncode(metadata.Incarnations().back().id));
    SetTimestamp(absl::ToUnixNanos(started_at_), response->mutable_started_at());
    SetTimestamp(absl::ToUnixNanos(absl::Now()), response->mutable_now());
    response->set_folders(static_cast<uint32_t>(metadata.ListFolders().size()));
    response->set_connected_agents(static_cast<uint32_t>(dependencies_.sessions->Count()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::ListFolders(grpc::CallbackServerContext* context,
                                                    const v1::ListFoldersRequest*,
                                                    v1::ListFoldersResponse* response) {
  return Answer(context, [this, response] {
    std::vector<FolderInfo> folders = dependencies_.metadata->ListFolders();
    std::sort(folders.begin(), folders.end(),
              [](const FolderInfo& a, const FolderInfo& b) { return a.name < b.name; });
    for (const FolderInfo& folder : folders) {
      *response->add_folders() = ToView(folder, ConnectedAgents(folder.id));
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::GetFolder(grpc::CallbackServerContext* context,
                                                  const v1::GetFolderRequest* request,
                                                  v1::GetFolderResponse* response) {
  return Answer(context, [this, request, response]() -> absl::Status {
    FS_ASSIGN_OR_RETURN(const FolderInfo folder, FindFolder(request->folder()));
    *response->mutable_folder() = ToView(folder, ConnectedAgents(folder.id));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::CreateFolder(grpc::CallbackServerContext* context,
                                                     const v1::CreateFolderRequest* request,
                                                     v1::CreateFolderResponse* response) {
  return Answer(context, [this, request, response]() -> absl::Status {
    FS_RETURN_IF_ERROR(ValidateReadableName(request->folder(), kMaxFolderNameBytes, "folder name"));
    FS_ASSIGN_OR_RETURN(const FolderInfo folder,
                        dependencies_.metadata->CreateFolder(request->folder()));
    dependencies_.log->Info("folder {} created", folder.name);
    *response->mutable_folder() = ToView(folder, 0);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::SetFolderRules(grpc::CallbackServerContext* context,
                                                       const v1::SetFolderRulesRequest* request,
                                                       v1::SetFolderRulesResponse* response) {
  return Answer(context, [this, request, response]() -> absl::Status {
    FS_ASSIGN_OR_RETURN(const FolderInfo found, FindFolder(request->folder()));
    std::string rules;
    for (const std::string& line : request->ignore()) {
      if (line.find_first_of("\r\n") != std::string::npos) {
        return InvalidArgument("ignore: expected one rule per item, without line breaks");
      }
      rules += line + "\n";
    }
    absl::MutexLock lock(&rules_mutex_);
    FS_ASSIGN_OR_RETURN(const FolderInfo folder,
                        dependencies_.metadata->SetFolderRules(found.id, rules));
    dependencies_.log->Info("folder {}: {} ignore rules for all agents", folder.name,
                            request->ignore_size());
    dependencies_.sessions->ForEachControl(
        folder.id, [&rules](SessionControl& session) { session.TellRules(rules); });
    *response->mutable_folder() = ToView(folder, ConnectedAgents(folder.id));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::ListEntries(grpc::CallbackServerContext* context,
                                                    const v1::ListEntriesRequest* request,
                                                    v1::ListEntriesResponse* response) {
  return Answer(context, [this, request, response] { return FillEntries(*request, response); });
}

absl::Status AdminService::FillEntries(const v1::ListEntriesRequest& request,
                                       v1::ListEntriesResponse* response) {
  FS_ASSIGN_OR_RETURN(const FolderInfo folder, FindFolder(request.folder()));
  FS_ASSIGN_OR_RETURN(const RelPath prefix, ParseReadablePath(request.prefix()));
  FS_ASSIGN_OR_RETURN(const std::optional<RelPath> after, ParsePageToken(request.page_token()));
  const uint32_t page =
      request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kLargestPage);
  FS_ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                      dependencies_.metadata->ListEntries(folder.id, prefix, after, page + 1,
                                                          request.include_deleted()));
  size_t bytes = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    v1::EntryView view = ToView(entries[i]);
    bytes += view.ByteSizeLong();
    if (i > 0 && (i == page || bytes > kAnswerBytes)) {
      response->set_next_page_token(HexEncode(entries[i - 1].path.bytes()));
      break;
    }
    *response->add_entries() = std::move(view);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::GetEntry(grpc::CallbackServerContext* context,
                                                 const v1::GetEntryRequest* request,
                                                 v1::GetEntryResponse* response) {
  return Answer(context, [this, request, response] { return FillEntry(*request, response); });
}

absl::Status AdminService::FillEntry(const v1::GetEntryRequest& request,
                                     v1::GetEntryResponse* response) {
  FS_ASSIGN_OR_RETURN(const FolderInfo folder, FindFolder(request.folder()));
  FS_ASSIGN_OR_RETURN(const RelPath path, ParseReadablePath(request.path()));
  const absl::StatusOr<Entry> entry = dependencies_.metadata->GetEntry(folder.id, path);
  if (absl::IsNotFound(entry.status())) {
    return NotFound("folder \"{}\" never had an entry \"{}\"", folder.name, path.ForPeople());
  }
  FS_RETURN_IF_ERROR(entry.status());
  *response->mutable_entry() = ToView(*entry);
  FS_ASSIGN_OR_RETURN(const std::vector<HistoryRecord> history,
                      dependencies_.metadata->History(folder.id, path, kLargestPage));
  size_t bytes = 0;
  for (const HistoryRecord& record : history) {
    v1::HistoryView view = ToView(record);
    bytes += view.ByteSizeLong();
    if (bytes > kAnswerBytes) break;
    *response->add_history() = std::move(view);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListAgents(grpc::CallbackServerContext* context,
                                                   const v1::ListAgentsRequest* request,
                                                   v1::ListAgentsResponse* response) {
  return Answer(context, [this, request, response]() -> absl::Status {
    FS_ASSIGN_OR_RETURN(const std::vector<FolderInfo> folders, FindFolders(request->folder()));
    for (const FolderInfo& folder : folders) FS_RETURN_IF_ERROR(AddAgents(folder, response));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<FolderInfo>> AdminService::FindFolders(const std::string& name) {
  if (name.empty()) return dependencies_.metadata->ListFolders();
  FS_ASSIGN_OR_RETURN(FolderInfo folder, FindFolder(name));
  return std::vector<FolderInfo>{std::move(folder)};
}

grpc::ServerUnaryReactor* AdminService::ForgetAgent(grpc::CallbackServerContext* context,
                                                    const v1::ForgetAgentRequest* request,
                                                    v1::ForgetAgentResponse* response) {
  return Answer(context, [this, request, response]() -> absl::Status {
    const std::optional<std::string> id = HexDecode(request->agent_id());
    if (!id.has_value() || !ValidateAgentId(*id).ok()) {
      return InvalidArgument("agent_id: expected the {} hex digits that ListAgents says",
                             2 * kAgentIdBytes);
    }
    FS_ASSIGN_OR_RETURN(const std::vector<FolderInfo> folders, FindFolders(request->folder()));
    // All or none: who is connected to one of them is no agent to forget.
    for (const FolderInfo& folder : folders) {
      FS_RETURN_IF_ERROR(dependencies_.agents->CheckAbsent(folder, *id));
    }
    for (const FolderInfo& folder : folders) {
      const absl::StatusOr<ForgottenAgent> forgotten = dependencies_.agents->Forget(folder, *id);
      if (absl::IsNotFound(forgotten.status())) continue;
      FS_RETURN_IF_ERROR(forgotten.status());
      *response->add_agents() = ToView(forgotten->agent, folder);
      response->set_conflicts(response->conflicts() +
                              static_cast<uint32_t>(forgotten->settled.size()));
    }
    if (!response->agents().empty()) return absl::OkStatus();
    return request->folder().empty()
               ? NotFound("no folder of this server has an agent {}", request->agent_id())
               : NotFound("folder \"{}\" has no agent {}", request->folder(), request->agent_id());
  });
}

absl::Status AdminService::AddAgents(const FolderInfo& folder, v1::ListAgentsResponse* response) {
  std::vector<v1::AgentView> agents;
  absl::flat_hash_set<std::string> connected;
  for (const SessionInfo& session : dependencies_.sessions->List(folder.id)) {
    connected.insert(session.agent_id);
    agents.push_back(ToView(session, folder.head_version, /*connected=*/true));
  }
  FS_ASSIGN_OR_RETURN(const std::vector<AgentRecord> records,
                      dependencies_.metadata->ListAgents(folder.id));
  for (const AgentRecord& record : records) {
    if (!connected.contains(record.id)) agents.push_back(ToView(record, folder));
  }
  std::sort(agents.begin(), agents.end(), [](const v1::AgentView& a, const v1::AgentView& b) {
    return std::tie(a.name(), a.id()) < std::tie(b.name(), b.id());
  });
  for (v1::AgentView& agent : agents) *response->add_agents() = std::move(agent);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListConflicts(grpc::CallbackServerContext* context,
                                                      const v1::ListConflictsRequest* request,
                                                      v1::ListConflictsResponse* response) {
  return Answer(context, [this, request, response]() -> absl::Status {
    FS_ASSIGN_OR_RETURN(const FolderInfo folder, FindFolder(request->folder()));
    return filesync::ListConflicts(dependencies_, folder, *request, response);
  });
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* AdminService::WatchEvents(
    grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) {
  const std::shared_ptr<WatchStream> stream =
      WatchStream::Start(&dependencies_, context, request->folder());
  absl::MutexLock lock(&mutex_);
  if (draining_) {
    stream->End(Unavailable("the server is going away; come back later"));
    return stream.get();
  }
  std::erase_if(watchers_, [](const auto& watcher) { return watcher.expired(); });
  watchers_.push_back(stream);
  return stream.get();
}

}  // namespace filesync
