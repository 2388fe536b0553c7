// Options: what `syncagent` is asked to do, checked and typed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/cli/binding.h"
#include "agent/cli/flags.h"
#include "agent/config/sources.h"
#include "agent/engine/grpc_link.h"
#include "agent/engine/location_options.h"
#include "agent/hooks/hooks.h"
#include "agent/traffic/cron_schedule.h"
#include "agent/traffic/rate_timetable.h"
#include "libs/telemetry/log.h"

namespace filesync {

// One directory that is to be synced.
struct LocationPlan {
  LocationSyncOptions options;
  // As text, for telling what a change of the configuration changed: what an engine is started
  // with for good, and what it can be told while it runs.
  std::string identity;
  std::string live;
};

struct AgentOptions {
  std::string server;
  std::string name;  // the agent's, for people
  std::vector<LocationPlan> locations;
  // When to sync; nullopt: all the time.
  std::optional<CronSchedule> schedule;
  std::string schedule_text;  // as it was said
  RateTimetable limit_up;
  RateTimetable limit_down;
  int transfers = static_cast<int>(TransferLimits::kTransfersAtOnce);
  HookOptions hooks;
  std::string http;  // ADDR:PORT for metrics; "off": none
  LogLevel log_level = LogLevel::kInfo;
};

// One directory of those that are configured.
struct ConfiguredLocation {
  std::string folder;
  std::string directory;
  const FolderTable* table = nullptr;  // of its own settings; in `sources`
  const Layer* remembered = nullptr;   // by its state; in `sources`
  bool folder_said = false;            // by somebody, not by the state or by default
};

// Which directories `sources` speak of: those given by name; else all [[folder]] tables. A
// directory that is given by name and has a table takes its settings. Errors: InvalidArgument;
// NotFound: of none.
absl::StatusOr<std::vector<ConfiguredLocation>> FindLocations(const Sources& sources);

// Errors: InvalidArgument, naming the setting, where it was said and what was expected.
absl::StatusOr<AgentOptions> CheckOptions(const Sources& sources);

// The same of settings that are not for any directory yet.
absl::Status CheckWithoutLocations(const Sources& sources);

// The same of what `flags` and all other sources say, which is left in `sources`. Warnings go to
// stderr. `rebinding`: see ReadSourcesAndBindings.
absl::StatusOr<AgentOptions> ReadOptions(const Layer& flags, Sources& sources,
                                         Rebinding* rebinding = nullptr);

// What a command is told by its own flags alone: who wins by force, and that a person agrees to
// what a winner costs the other side. Errors: InvalidArgument.
absl::Status ReadOwnFlags(const CommandFlags& flags, AgentOptions& options);

// For a run that is asked for now and ends by itself; `full`: it reads every file.
void MakeOneShot(AgentOptions& options, bool full);

}  // namespace filesync
