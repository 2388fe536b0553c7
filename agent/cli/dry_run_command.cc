#include "agent/cli/dry_run_command.h"
#include "agent/cli/output.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/cli/action_list.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/outcome.h"
#include "agent/cli/print_json.h"
#include "agent/engine/grpc_link.h"
#include "agent/engine/location_sync.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(20);

// What the engine says of what it does is not true here: only what went wrong is said.
LogLevel Quieter(LogLevel level) { return level == LogLevel::kInfo ? LogLevel::kError : level; }

class Planner {
 public:
  explicit Planner(LogLevel level)
      : log_(
            Quieter(level),
            [](LogLevel, std::string_view message) { Output(stderr, "syncagent: {}\n", message); }),
        limits_(&clock_) {}

  // Fills `report`; returns what a run would exit with.
  absl::StatusOr<int> Plan(const LocationSyncOptions& location,
                           control::v1::LocationReport* report) {
    FS_ASSIGN_OR_RETURN(std::unique_ptr<ServerLink> link,
                        NewGrpcLink(location.server, &limits_, location.priority));
    FS_ASSIGN_OR_RETURN(LocationParts parts,
                        OpenPartsForDryRun(location, std::move(link), &clock_, &log_));
    FS_ASSIGN_OR_RETURN(const std::unique_ptr<LocationSync> sync,
                        LocationSync::Create(location, std::move(parts), &clock_, &log_));
    ActionList actions;
    sync->OnEvent([&actions](const SyncEvent& event) { actions.Add(event); });
    sync->Start();
    SyncStatus status = sync->status();
    std::optional<SyncOutcome> outcome = OutcomeOf(status);
    while (!outcome.has_value()) {
      clock_.Sleep(kTick);
      status = sync->status();
      outcome = OutcomeOf(status);
    }
    FS_ASSIGN_OR_RETURN(const PendingList pending, sync->Pending(SIZE_MAX));
    sync->Stop();
    actions.AddUnsettled(pending);
    actions.Fill(status, report);
    return ExitCodeOf(*outcome);
  }

 private:
  RealClock clock_;
  Logger log_;
  TransferLimits limits_;
};

void Print(const control::v1::SyncReport& report) {
  for (const control::v1::LocationReport& location : report.locations()) {
    const std::string label =
        report.locations_size() > 1 ? fmt::format("[{}] ", location.folder()) : "";
    for (const control::v1::PlannedAction& action : location.actions()) {
      Output("{}{}\n", label, DescribePlanned(action));
    }
    Output("{}dry run, nothing was done: {}; it would end: {}\n", label, DescribeTotals(location),
           location.state());
  }
}

}  // namespace

absl::StatusOr<control::v1::SyncReport> PlanSync(const AgentOptions& options) {
  Planner planner(options.log_level);
  control::v1::SyncReport report;
  report.set_dry_run(true);
  int worst = kExitInSync;
  for (const LocationPlan& plan : options.locations) {
    FS_ASSIGN_OR_RETURN(const int code, planner.Plan(plan.options, report.add_locations()));
    worst = std::max(worst, code);
  }
  report.set_exit_code(worst);
  return report;
}

int RunDryRun(const Invocation& asked) {
  Sources sources;
  Rebinding rebinding;
  absl::StatusOr<AgentOptions> options =
      ReadOptions(asked.settings, sources, asked.Has("rebind") ? &rebinding : nullptr);
  if (!options.ok()) return Refuse(options.status());
  if (const absl::Status read = ReadOwnFlags(asked.flags, *options); !read.ok()) {
    return Refuse(read);
  }
  MakeOneShot(*options, asked.Has("full"));
  const absl::StatusOr<control::v1::SyncReport> report = PlanSync(*options);
  if (!report.ok()) {
    Output(stderr, "syncagent: {}\n", ToStd(report.status().message()));
    return absl::IsInvalidArgument(report.status()) ? kExitUsage : kExitHalted;
  }
  for (const control::v1::LocationReport& location : report->locations()) {
    const bool said = location.last_error().empty() || report->exit_code() == kExitInSync;
    if (!said) Output(stderr, "syncagent: {}\n", location.last_error());
  }
  if (asked.Has("json")) {
    const int printed = PrintJson(*report);
    return printed == kExitInSync ? report->exit_code() : printed;
  }
  Print(*report);
  return report->exit_code();
}

}  // namespace filesync
