#include "agent/cli/conflicts_command.h"
#include "agent/cli/output.h"

#include "agent/cli/conflict_text.h"
#include "agent/cli/control.h"
#include "agent/cli/exit_code.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// The server's words: they are escaped already, if it is ours.
void Print(const ListedConflict& conflict) {
  const std::string remote =
      conflict.remote.has_value() ? WithoutControls(ForPeople(*conflict.remote)) : "nothing";
  const std::string local = WithoutControls(ForPeople(conflict.local));
  const std::string path = WithoutControls(conflict.path);
  if (!conflict.held) {
    Output("{}  copy of {}, since {}\n", WithoutControls(conflict.copy_path), path,
           ForPeople(conflict.since));
    Output("  copy    {}\n", local);
    Output("  name    {}\n", remote);
    return;
  }
  Output("{}  held by {}{}, since {}\n", path, WithoutControls(conflict.agent_name),
         conflict.connected ? "" : " (offline)", ForPeople(conflict.since));
  Output("  local   {}\n", local);
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
