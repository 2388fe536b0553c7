// Options: what the command line and the environment ask `syncagent` to do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/engine/filters.h"
#include "agent/traffic/cron_schedule.h"
#include "agent/traffic/rate_timetable.h"
#include "libs/model/modes.h"
#include "libs/reconcile/brake.h"
#include "libs/reconcile/conflict_policies.h"
#include "libs/telemetry/log.h"

namespace filesync {

enum class Command {
  kRun,
  kSync,
  kStatus,
  kWait,
  kPause,
  kResume,
  kConfirm,
  kUndo,
  kIgnoreTest,
  kConflicts,
  kResolve
};

struct FolderDirectory {
  std::string folder;
  std::string directory;
};

struct AgentOptions {
  Command command = Command::kRun;
  std::string server;
  std::string name;  // the agent's, for people
  std::vector<FolderDirectory> locations;
  Mode mode = Mode::kTwoWay;
  ConflictPolicies policies;
  FilterOptions filters;
  BrakeLimit max_delete;
  // When to sync; nullopt: all the time.
  std::optional<CronSchedule> schedule;
  RateTimetable limit_up;
  RateTimetable limit_down;
  std::string http;  // ADDR:PORT for metrics; "off": none
  LogLevel log_level = LogLevel::kInfo;
  bool json = false;                                  // of commands that tell something
  std::string keep;                                   // resolve: local, remote, both, name or copy
  absl::Duration timeout = absl::InfiniteDuration();  // wait
};

// What to do, or, when there is nothing (more) to do, the exit code after the text was printed.
struct ParsedOptions {
  bool run = false;
  int exit_code = 0;
  AgentOptions options;
};

// Flags beat environment variables (SYNCAGENT_SERVER, SYNCAGENT_FOLDER, SYNCAGENT_NAME,
// SYNCAGENT_MODE, SYNCAGENT_CONFLICT, SYNCAGENT_IGNORE,
// SYNCAGENT_USE_GITIGNORE, SYNCAGENT_INCLUDE, SYNCAGENT_EXCLUDE, SYNCAGENT_MAX_DELETE,
// SYNCAGENT_LIMIT_UP, SYNCAGENT_LIMIT_DOWN, SYNCAGENT_SCHEDULE, SYNCAGENT_HTTP,
// SYNCAGENT_LOG_LEVEL), which beat defaults. Prints help and errors itself.
ParsedOptions ParseOptions(int argc, char** argv);

}  // namespace filesync
