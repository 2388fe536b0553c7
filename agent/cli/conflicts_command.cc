#include "agent/cli/conflicts_command.h"
#include "agent/cli/output.h"

#include "agent/cli/conflict_text.h"
#include "agent/cli/control.h"
#include "agent/cli/exit_code.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

void Print(const ListedConflict& conflict) {
  const std::string remote = conflict.remote.has_value() ? ForPeople(*conflict.remote) : "nothing";
  if (!conflict.held) {
    Output("{}  copy of {}, since {}\n", conflict.copy_path, conflict.path,
           ForPeople(conflict.since));
    Output("  copy    {}\n", ForPeople(conflict.local));
    Output("  name    {}\n", remote);
    return;
  }
  Output("{}  held by {}{}, since {}\n", conflict.path, conflict.agent_name,
         conflict.connected ? "" : " (offline)", ForPeople(conflict.since));
  Output("  local   {}\n", ForPeople(conflict.local));
  Output("  remote  {}\n", remote);
}

}  // namespace

int RunConflicts(const Invocation& asked) {
  const absl::StatusOr<control::v1::Status> status = QueryStatus(asked.argument);
  if (!status.ok()) return Complain(status.status(), kExitUnreachable);
  const absl::StatusOr<ConflictList> found = FetchConflicts(status->server(), status->folder(), "");
  if (!found.ok()) return Complain(found.status(), kExitUnreachable);
  if (asked.Has("json")) {
    Output("{}", found->json);
    return kExitInSync;
  }
  for (const ListedConflict& conflict : found->conflicts) Print(conflict);
  if (found->omitted > 0) Output("and {} more that are held\n", found->omitted);
  if (found->conflicts.empty()) Output("no conflicts in folder {}\n", status->folder());
  return kExitInSync;
}

}  // namespace filesync
