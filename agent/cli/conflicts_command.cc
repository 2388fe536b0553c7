#include "agent/cli/conflicts_command.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <tuple>

#include "agent/cli/control.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/server_conflicts.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

int Complain(const absl::Status& status) {
  fmt::print(stderr, "syncagent: {}\n", ToStd(status.message()));
  if (absl::IsUnavailable(status)) return kExitUnreachable;
  return absl::IsNotFound(status) ? kExitUsage : kExitSomeFailed;
}

void Print(const v1::ConflictView& view) {
  if (view.kind() == "copy") {
    fmt::print("{}  copy of {}, since {}\n", view.copy_path(), view.path(),
               ForPeople(view.since()));
    fmt::print("  copy    {}\n", ForPeople(view.local()));
    fmt::print("  name    {}\n", view.has_remote() ? ForPeople(view.remote()) : "nothing");
    return;
  }
  fmt::print("{}  held by {}{}, since {}\n", view.path(), view.agent_name(),
             view.connected() ? "" : " (offline)", ForPeople(view.since()));
  fmt::print("  local   {}\n", ForPeople(view.local()));
  fmt::print("  remote  {}\n", ForPeople(view.remote()));
}

}  // namespace

int RunConflicts(const AgentOptions& options) {
  const std::string& directory = options.locations.front().directory;
  const absl::StatusOr<control::v1::Status> status = QueryStatus(directory);
  if (!status.ok()) return Complain(status.status());
  absl::StatusOr<v1::ListConflictsResponse> found =
      FetchConflicts(status->server(), status->folder(), "");
  if (!found.ok()) return Complain(found.status());
  std::sort(found->mutable_conflicts()->begin(), found->mutable_conflicts()->end(),
            [](const v1::ConflictView& a, const v1::ConflictView& b) {
              return std::tie(a.path(), a.copy_path(), a.agent_id()) <
                     std::tie(b.path(), b.copy_path(), b.agent_id());
            });
  if (options.json) {
    std::string json;
    google::protobuf::util::JsonPrintOptions print;
    print.add_whitespace = true;
    if (!google::protobuf::util::MessageToJsonString(*found, &json, print).ok()) {
      return Complain(Internal("the answer can't be printed as JSON"));
    }
    fmt::print("{}", json);
    return kExitInSync;
  }
  for (const v1::ConflictView& view : found->conflicts()) Print(view);
  if (found->omitted() > 0) fmt::print("and {} more that are held\n", found->omitted());
  if (found->conflicts().empty()) fmt::print("no conflicts in folder {}\n", status->folder());
  return kExitInSync;
}

}  // namespace filesync
