#include "libs/wire/conflict_list.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <tuple>

#include "filesync/v1/admin.grpc.pb.h"
#include "libs/base/status.h"
#include "libs/wire/admin_call.h"
#include "libs/wire/channel.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

constexpr uint32_t kPage = 1000;

ListedSide ToSide(const v1::ConflictSideView& view) {
  ListedSide side;
  side.type = view.type();
  side.size = view.size();
  if (view.has_modified_at()) side.modified = ToTime(view.modified_at());
  side.by = view.by();
  return side;
}

ListedConflict ToConflict(const v1::ConflictView& view) {
  ListedConflict conflict;
  conflict.path = view.path();
  conflict.held = view.kind() == "held";
  conflict.local = ToSide(view.local());
  if (view.has_remote()) conflict.remote = ToSide(view.remote());
  conflict.since = ToTime(view.since());
  conflict.agent_id = view.agent_id();
  conflict.agent_name = view.agent_name();
  conflict.connected = view.connected();
  conflict.copy_path = view.copy_path();
  return conflict;
}

absl::StatusOr<v1::ListConflictsResponse> FetchAll(const std::string& server,
                                                   v1::ListConflictsRequest request) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, NewChannel(server));
  const auto admin = v1::AdminService::NewStub(channel);
  v1::ListConflictsResponse all;
  const auto deadline = std::chrono::system_clock::now() + kAdminCallDeadline;
  do {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    v1::ListConflictsResponse page;
    FS_RETURN_IF_ERROR(ExplainAdminCall(FromGrpc(admin->ListConflicts(&context, request, &page)),
                                        server, "list conflicts"));
    for (v1::ConflictView& view : *page.mutable_conflicts()) {
      *all.add_conflicts() = std::move(view);
    }
    all.set_omitted(all.omitted() + page.omitted());
    if (page.next_page_token() == request.page_token() && !request.page_token().empty()) {
      return DataLoss("{} lists conflicts without an end", server);
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

}  // namespace

absl::StatusOr<ConflictList> FetchConflicts(const std::string& server, const std::string& folder,
                                            const std::string& prefix) {
  v1::ListConflictsRequest request;
  request.set_folder(folder);
  request.set_prefix(prefix);
  request.set_page_size(kPage);
  FS_ASSIGN_OR_RETURN(v1::ListConflictsResponse all, FetchAll(server, std::move(request)));
  std::sort(all.mutable_conflicts()->begin(), all.mutable_conflicts()->end(),
            [](const v1::ConflictView& a, const v1::ConflictView& b) {
              return std::tie(a.path(), a.copy_path(), a.agent_id()) <
                     std::tie(b.path(), b.copy_path(), b.agent_id());
            });
  ConflictList list;
  list.omitted = all.omitted();
  for (const v1::ConflictView& view : all.conflicts()) list.conflicts.push_back(ToConflict(view));
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  if (!google::protobuf::util::MessageToJsonString(all, &list.json, print).ok()) {
    return Internal("the answer can't be printed as JSON");
  }
  return list;
}

}  // namespace filesync
