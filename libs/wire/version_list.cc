#include "libs/wire/version_list.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include "absl/time/clock.h"
#include "filesync/v1/admin.grpc.pb.h"
#include "libs/base/status.h"
#include "libs/wire/admin_call.h"
#include "libs/wire/channel.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

using Stub = std::unique_ptr<v1::AdminService::Stub>;
absl::StatusOr<Stub> Connect(const std::string& server) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, NewChannel(server));
  return v1::AdminService::NewStub(channel);
}

// By hex id; empty when the server does not tell.
std::map<std::string, std::string> AgentNames(v1::AdminService::Stub& admin,
                                              const std::string& folder) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kAdminCallDeadline);
  v1::ListAgentsRequest request;
  request.set_folder(folder);
  v1::ListAgentsResponse response;
  std::map<std::string, std::string> names;
  if (!admin.ListAgents(&context, request, &response).ok()) return names;
  for (const v1::AgentView& agent : response.agents()) names[agent.id()] = agent.name();
  return names;
}

ListedVersion ToVersion(const v1::EntryView& view,
                        const std::map<std::string, std::string>& names) {
  ListedVersion version;
  version.version = view.version();
  version.committed_at = ToTime(view.committed_at());
  version.type = view.type();
  version.size = view.size();
  version.content_hash = view.content_hash();
  const auto name = names.find(view.author());
  version.author = name == names.end() ? view.author() : name->second;
  version.moved_to = view.moved_to();
  return version;
}

}  // namespace

absl::StatusOr<VersionList> FetchVersions(const std::string& server, const std::string& folder,
                                          const std::string& path) {
  FS_ASSIGN_OR_RETURN(const Stub admin, Connect(server));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kAdminCallDeadline);
  v1::GetEntryRequest request;
  request.set_folder(folder);
  request.set_path(path);
  v1::GetEntryResponse response;
  FS_RETURN_IF_ERROR(ExplainAdminCall(FromGrpc(admin->GetEntry(&context, request, &response)),
                                      server, "list versions"));
  const std::map<std::string, std::string> names = AgentNames(*admin, folder);
  VersionList list;
  list.versions.push_back(ToVersion(response.entry(), names));
  for (const v1::HistoryView& past : response.history()) {
    list.versions.push_back(ToVersion(past.entry(), names));
  }
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  if (!google::protobuf::util::MessageToJsonString(response, &list.json, print).ok()) {
    return Internal("the answer can't be printed as JSON");
  }
  return list;
}

absl::StatusOr<ServerFacts> FetchServerFacts(const std::string& server) {
  FS_ASSIGN_OR_RETURN(const Stub admin, Connect(server));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kAdminCallDeadline);
  v1::GetServerInfoResponse response;
  const absl::Time began = absl::Now();
  FS_RETURN_IF_ERROR(ExplainAdminCall(FromGrpc(admin->GetServerInfo(&context, {}, &response)),
                                      server, "tell its version"));
  return ServerFacts{response.version(), ToTime(response.now()), absl::Now() - began};
}

}  // namespace filesync
