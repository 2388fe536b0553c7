#include "agent/cli/dry_run_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/cli/action_list.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/one_shot.h"
#include "agent/cli/print.h"
#include "agent/cli/sync_options.h"
#include "agent/engine/grpc_link.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(20);

// What the engine says of what it does is not true here: only what went wrong is said.
LogLevel Quieter(LogLevel level) { return level == LogLevel::kInfo ? LogLevel::kError : level; }

class Planner {
 public:
  explicit Planner(const AgentOptions& options)
      : options_(options),
        log_(Quieter(options.log_level),
             [](LogLevel, std::string_view message) {
               fmt::print(stderr, "syncagent: {}\n", message);
             }),
        limits_(&clock_) {}

  // Fills `report`; returns what a run would exit with.
  absl::StatusOr<int> Plan(const FolderDirectory& location, control::v1::LocationReport* report) {
    FS_ASSIGN_OR_RETURN(std::unique_ptr<ServerLink> link, NewGrpcLink(options_.server, &limits_));
    FS_ASSIGN_OR_RETURN(LocationParts parts,
                        OpenPartsForDryRun(location.directory, std::move(link), &clock_, &log_));
    FS_ASSIGN_OR_RETURN(
        const std::unique_ptr<LocationSync> sync,
        LocationSync::Create(ToSyncOptions(options_, location), std::move(parts), &clock_, &log_));
    ActionList actions;
    sync->OnEvent([&actions](const SyncEvent& event) { actions.Add(event); });
    sync->Start();
    SyncStatus status = sync->status();
    while (OneShotOutcome(status) < 0) {
      clock_.Sleep(kTick);
      status = sync->status();
    }
    FS_ASSIGN_OR_RETURN(const PendingList pending, sync->Pending(SIZE_MAX));
    sync->Stop();
    actions.AddUnsettled(pending);
    actions.Fill(report);
    report->set_directory(EscapeForPeople(location.directory));
    report->set_folder(EscapeForPeople(location.folder));
    report->set_state(EscapeForPeople(status.state_text));
    report->set_last_error(EscapeForPeople(status.last_error));
    return OneShotOutcome(status);
  }

 private:
  const AgentOptions& options_;
  RealClock clock_;
  Logger log_;
  TransferLimits limits_;
};

void Print(const control::v1::SyncReport& report) {
  for (const control::v1::LocationReport& location : report.locations()) {
    const std::string label =
        report.locations_size() > 1 ? fmt::format("[{}] ", location.folder()) : "";
    for (const control::v1::PlannedAction& action : location.actions()) {
      fmt::print("{}{}\n", label, DescribePlanned(action));
    }
    fmt::print("{}dry run, nothing was done: {}; it would end: {}\n", label,
               DescribeTotals(location), location.state());
  }
}

}  // namespace

absl::StatusOr<control::v1::SyncReport> PlanSync(const AgentOptions& options) {
  Planner planner(options);
  control::v1::SyncReport report;
  report.set_dry_run(true);
  int worst = kExitInSync;
  for (const FolderDirectory& location : options.locations) {
    FS_ASSIGN_OR_RETURN(const int code, planner.Plan(location, report.add_locations()));
    worst = std::max(worst, code);
  }
  report.set_exit_code(worst);
  return report;
}

int RunDryRun(const AgentOptions& options) {
  const absl::StatusOr<control::v1::SyncReport> report = PlanSync(options);
  if (!report.ok()) {
    fmt::print(stderr, "syncagent: {}\n", ToStd(report.status().message()));
    return absl::IsInvalidArgument(report.status()) ? kExitUsage : kExitHalted;
  }
  for (const control::v1::LocationReport& location : report->locations()) {
    const bool said = location.last_error().empty() || report->exit_code() == kExitInSync;
    if (!said) fmt::print(stderr, "syncagent: {}\n", location.last_error());
  }
  if (options.json) {
    const int printed = PrintJson(*report);
    return printed == kExitInSync ? report->exit_code() : printed;
  }
  Print(*report);
  return report->exit_code();
}

}  // namespace filesync
