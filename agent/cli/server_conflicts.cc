#include "agent/cli/server_conflicts.h"

#include <grpcpp/grpcpp.h>

#include "absl/time/time.h"
#include "agent/cli/display.h"
#include "filesync/v1/admin.grpc.pb.h"
#include "libs/base/status.h"
#include "libs/wire/channel.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

constexpr uint32_t kPage = 1000;
constexpr auto kDeadline = std::chrono::seconds(15);

absl::Status Explain(const absl::Status& status, const std::string& server) {
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    return Unavailable("the server {} can't be reached: {}", server, ToStd(status.message()));
  }
  if (absl::IsUnimplemented(status)) {
    return FailedPrecondition("the server {} is too old to list conflicts", server);
  }
  return status;
}

}  // namespace

absl::StatusOr<v1::ListConflictsResponse> FetchConflicts(const std::string& server,
                                                         const std::string& folder,
                                                         const std::string& prefix) {
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, NewChannel(server));
  const auto admin = v1::AdminService::NewStub(channel);
  v1::ListConflictsResponse all;
  v1::ListConflictsRequest request;
  request.set_folder(folder);
  request.set_prefix(prefix);
  request.set_page_size(kPage);
  do {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    v1::ListConflictsResponse page;
    FS_RETURN_IF_ERROR(Explain(FromGrpc(admin->ListConflicts(&context, request, &page)), server));
    for (v1::ConflictView& view : *page.mutable_conflicts()) {
      *all.add_conflicts() = std::move(view);
    }
    all.set_omitted(all.omitted() + page.omitted());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

std::string ForPeople(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string ForPeople(const v1::ConflictSideView& side) {
  const bool deleted = side.type() == "tombstone";
  std::string text = deleted ? "deleted" : side.type();
  if (side.type() == "file") text += ", " + ForPeople(side.size());
  if (side.has_modified_at()) text += ", " + ForPeople(side.modified_at());
  if (!side.by().empty()) text += ", by " + side.by();
  return text;
}

}  // namespace filesync
