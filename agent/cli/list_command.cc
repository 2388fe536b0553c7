#include "agent/cli/list_command.h"
#include "agent/cli/output.h"

#include <fmt/format.h>

#include "agent/cli/action_list.h"
#include "agent/cli/control.h"
#include "agent/cli/dry_run_command.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/print_json.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// With no agent: what a run would do.
absl::StatusOr<control::v1::PendingReport> FindOut(AgentOptions options, int& code) {
  FS_RETURN_IF_ERROR(QueryStatus(options.locations.front().options.directory).status());
  MakeOneShot(options, /*full=*/false);
  FS_ASSIGN_OR_RETURN(control::v1::SyncReport plan, PlanSync(options));
  control::v1::LocationReport& found = *plan.mutable_locations(0);
  control::v1::PendingReport report;
  report.set_state(found.state());
  report.set_total(found.actions_size());
  report.mutable_pending()->Swap(found.mutable_actions());
  code = plan.exit_code();
  const bool failed = code == kExitUnreachable || code == kExitHalted;
  if (failed) Output(stderr, "syncagent: {}\n", found.last_error());
  if (!failed) code = kExitInSync;
  return report;
}

}  // namespace

int RunList(const Invocation& asked) {
  Sources sources;
  const absl::StatusOr<AgentOptions> options = ReadOptions(asked.settings, sources);
  if (!options.ok()) return Refuse(options.status());
  if (options->locations.size() > 1) {
    return Refuse(
        InvalidArgument("several directories are configured; say which: syncagent list "
                        "DIR"));
  }
  int code = kExitInSync;
  absl::StatusOr<control::v1::PendingReport> report =
      RequestList(options->locations.front().options.directory);
  if (absl::IsUnavailable(report.status())) report = FindOut(*options, code);
  if (!report.ok()) return Complain(report.status());
  if (asked.Has("json")) {
    const int printed = PrintJson(*report);
    return printed == kExitInSync ? code : printed;
  }
  for (const control::v1::PlannedAction& action : report->pending()) {
    Output("{}\n", DescribePending(action));
  }
  const uint64_t more = report->total() - report->pending_size();
  if (more > 0) Output("and {} more\n", more);
  if (report->total() == 0) Output("nothing waits ({})\n", report->state());
  return code;
}

}  // namespace filesync
