// SyncManager: the agent as a library: keeps any number of locations in step with folders of one
// server, as `syncagent` does, which is a user of it.
//
//   SyncManagerOptions options;
//   options.server = "host:50051";
//   options.name = "laptop";
//   options.locations.push_back({.sync = {.directory = "/home/me/notes", .folder = "notes"}});
//   RealClock clock;
//   Logger log(LogLevel::kWarn);
//   absl::StatusOr<std::unique_ptr<SyncManager>> manager =
//       SyncManager::Create(std::move(options), {}, &clock, &log);
//   for (const LocationOutcome& outcome : (*manager)->SyncAll()) …   // once, or:
//   (*manager)->Start();                                             // until Stop()
//
// A location is named by its directory, as it was given. Locations come, go and change while the
// others run undisturbed. Errors are absl::Status: InvalidArgument (an option is malformed, or
// the directory is not there or not one), AlreadyExists and NotFound (the location),
// FailedPrecondition (another agent has the directory; it is unusable as it is), DataLoss and
// Internal (the state or the system fails). Sizes are bytes, rates bytes per second.
//
// Thread-safe, but for callbacks: see SyncManagerCallbacks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/engine/location_options.h"
#include "agent/engine/progress.h"
#include "agent/engine/sync_event.h"
#include "agent/engine/sync_status.h"
#include "agent/traffic/cron_schedule.h"
#include "agent/traffic/rate_timetable.h"
#include "libs/base/clock.h"
#include "libs/telemetry/log.h"

namespace filesync {

class LocationSync;

struct SyncLocation {
  // `agent_name` and `server` are filled in by the manager where they are empty.
  LocationSyncOptions sync;
  // When to sync, by local time; nullopt: all the time. SyncAll does not wait for it.
  std::optional<CronSchedule> schedule;
};

struct SyncManagerOptions {
  std::string server;  // HOST:PORT
  std::string name;    // the agent's, for people
  std::vector<SyncLocation> locations;
  // How fast content is sent and received, by all locations together, by local time.
  RateTimetable limit_up;
  RateTimetable limit_down;
  // How many transfers may run at once, of all locations together.
  size_t transfers = 8;
};

// Which location it is about.
struct LocationName {
  std::string directory;  // as given
  std::string folder;
};

struct ProgressReport {
  SyncProgress total;
  std::vector<std::pair<LocationName, SyncProgress>> locations;
};

// None has to be set. They are called until Stop returns, from threads of the manager, and must
// return soon, as work waits for them; they may call whatever only asks, and Pause, Resume and
// setters, but not Add, Remove, Replace, SyncAll or Stop.
struct SyncManagerCallbacks {
  // On the location's own thread, in order: what happened, and how the location stands after it.
  std::function<void(const LocationName&, const SyncEvent&)> on_event;
  std::function<void(const LocationName&, const SyncStatus&)> on_status;
  // While something moves, every 100 ms and when a file ends (files that end within 10 ms of each
  // other share a report), and once when nothing moves any more. One at a time.
  std::function<void(const ProgressReport&)> on_progress;
  // From a commit on the server to its application here, by both hosts' clocks; on the location's
  // own thread.
  std::function<void(const LocationName&, absl::Duration)> on_propagation;
};

// What a run came to at one location, from good to bad.
enum class SyncOutcome : uint8_t {
  kInSync,
  kUnfinished,   // the deadline passed, or it was cancelled
  kPaused,       // by a person
  kSomeFailed,   // some paths could not be synced
  kConflicts,    // they wait for a decision
  kHeld,         // losses wait for a confirmation
  kUnreachable,  // the server was tried several times
  kHalted,       // nothing is done before a person acts
};

struct LocationOutcome {
  LocationName name;
  SyncOutcome outcome = SyncOutcome::kUnfinished;
  SyncStatus status;
};

class SyncManager {
 public:
  // Opens all locations; nothing runs yet. Errors as above, of the first location that fails.
  // `clock` and `log` must outlive the manager.
  static absl::StatusOr<std::unique_ptr<SyncManager>> Create(SyncManagerOptions options,
                                                             SyncManagerCallbacks callbacks,
                                                             Clock* clock, Logger* log);
  ~SyncManager();  // stops

  // Starts syncing; returns at once. Nothing when it runs already.
  void Start();
  // Ends all work, in any state; what is under way is taken up by the next start of an agent.
  // For good: afterwards only statuses are told.
  void Stop();

  // Starts if need be, looks at everything anew, and returns when every location is in sync or
  // can't come further without help, when `deadline` passes, or soon after `cancel` asks for it.
  // In the locations' order. Goes on syncing afterwards.
  std::vector<LocationOutcome> SyncAll(absl::Time deadline = absl::InfiniteFuture(),
                                       std::stop_token cancel = {});

  // All locations; a pause outlasts restarts. What changes meanwhile is noticed.
  void Pause();
  void Resume();
  absl::Status SetPaused(const std::string& directory, bool paused);

  // In the order in which the locations were added; copies.
  std::vector<SyncStatus> statuses() const;
  absl::StatusOr<SyncStatus> status(const std::string& directory) const;
  std::vector<LocationName> locations() const;

  // Take effect at once, also for transfers under way.
  void SetLimits(RateTimetable up, RateTimetable down);
  void SetTransfers(size_t at_once);
  absl::Status SetSchedule(const std::string& directory, std::optional<CronSchedule> schedule);

  // Opens another location, and starts it if the manager runs. AlreadyExists when the directory
  // is one already.
  absl::Status AddLocation(SyncLocation location);
  // Stops it; its directory and state stay. NotFound.
  absl::Status RemoveLocation(const std::string& directory);
  // Gives the location of this directory other policies, filters, brake, comparison and
  // compression while it runs; what else `options` say is not looked at. NotFound.
  absl::Status ReconfigureLocation(const LocationSyncOptions& options);
  // Stops the location of this directory and starts it again with other options. When it can't be
  // opened with them, the error is returned and it goes on with the old ones; when not even they
  // work any more, it stays as a halted location that can be replaced or removed.
  absl::Status ReplaceLocation(SyncLocation location);

  // Lets go what the brake holds, in both directions, or undoes it. FailedPrecondition: nothing is
  // held.
  absl::Status ConfirmHeld(const std::string& directory);
  absl::Status UndoHeld(const std::string& directory);
  // Which ignore rule decides about `path`, which need not exist.
  absl::StatusOr<Filters::Explanation> ExplainIgnore(const std::string& directory,
                                                     const RelPath& path, bool is_directory) const;

  // Calls `use` with the location's engine, which stays as it is until it returns. For what has
  // no call of its own here. FailedPrecondition when the location could not be opened again.
  absl::Status WithLocation(const std::string& directory,
                            const std::function<absl::Status(LocationSync&)>& use) const;

 private:
  class Impl;
  explicit SyncManager(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

// What a run that was asked for has come to; nullopt while it goes on. `failures_before`: the
// connection failures in a row when it was asked for.
std::optional<SyncOutcome> OutcomeOf(const SyncStatus& status, uint64_t failures_before = 0);

}  // namespace filesync
