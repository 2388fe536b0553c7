#include "agent/cli/run_command.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "agent/cli/agent_metrics.h"
#include "agent/cli/ask_conflicts.h"
#include "agent/cli/control.h"
#include "agent/cli/display.h"
#include "agent/cli/exit_code.h"
#include "agent/engine/grpc_link.h"
#include "agent/engine/location_sync.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/wire/http.h"

namespace filesync {
namespace {

constexpr int kTickMilliseconds = 100;
// A one-shot run gives up on a server that was never reached after this many tries.
constexpr uint64_t kConnectionTries = 5;

// SIGINT and SIGTERM as something to poll. Made before any thread, so that all inherit it.
UniqueFd BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

// One location with what belongs to it.
struct Running {
  std::unique_ptr<LocationSync> sync;
  std::unique_ptr<ControlServer> control;
  // With a schedule: its next moment, and whether it is waited for.
  absl::Time next = absl::InfinitePast();
  bool resting = false;
};

bool UseColor() { return std::getenv("NO_COLOR") == nullptr && isatty(STDERR_FILENO) == 1; }

class SyncCommand {
 public:
  explicit SyncCommand(const AgentOptions& options)
      : options_(options),
        stop_signal_(BlockStopSignals()),
        display_(isatty(STDOUT_FILENO) == 1, UseColor()),
        log_(options.log_level,
             [this](LogLevel level, std::string_view message) { display_.Log(level, message); }),
        limits_(&clock_),
        metrics_([this] { return Statuses(); }) {}

  int Run() {
    if (absl::Status started = Start(); !started.ok()) {
      display_.Log(LogLevel::kError, ToStd(started.message()));
      return absl::IsInvalidArgument(started) ? kExitUsage : kExitHalted;
    }
    const int code = Loop();
    display_.Finish();
    if (options_.command == Command::kSync) {
      for (const SyncStatus& status : Statuses()) display_.Summary(status);
    }
    // Sockets and metrics go before what they ask.
    http_.reset();
    for (Running& running : running_) running.control.reset();
    limits_.up.Shutdown();
    limits_.down.Shutdown();
    for (Running& running : running_) running.sync->Stop();
    return code;
  }

 private:
  absl::Status Start() {
    for (const FolderDirectory& location : options_.locations) {
      FS_RETURN_IF_ERROR(StartOne(location));
    }
    if (options_.http != "off") {
      FS_ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(options_.http, true));
      HttpHandlers handlers;
      handlers.metrics = [this] { return metrics_.Serialize(); };
      handlers.healthy = [] { return true; };
      handlers.ready = [this] {
        const std::vector<SyncStatus> statuses = Statuses();
        return std::all_of(statuses.begin(), statuses.end(), [](const SyncStatus& status) {
          return status.state != SyncState::kHalted && status.state != SyncState::kOffline;
        });
      };
      FS_ASSIGN_OR_RETURN(http_, HttpServer::Start(endpoint, std::move(handlers)));
    }
    ApplyLimits();
    for (Running& running : running_) running.sync->Start();
    return absl::OkStatus();
  }

  absl::Status StartOne(const FolderDirectory& location) {
    LocationSyncOptions options;
    options.directory = location.directory;
    options.folder = location.folder;
    options.agent_name = options_.name;
    options.server = options_.server;
    options.mode = options_.mode;
    options.policies = options_.policies;
    options.filters = options_.filters;
    options.max_delete = options_.max_delete;
    options.ignore_pause = options_.command == Command::kSync;
    FS_ASSIGN_OR_RETURN(std::unique_ptr<ServerLink> link, NewGrpcLink(options_.server, &limits_));
    Running running;
    FS_ASSIGN_OR_RETURN(running.sync,
                        LocationSync::Create(std::move(options), std::move(link), &clock_, &log_));
    LocationSync* sync = running.sync.get();
    const std::string label = options_.locations.size() > 1 ? location.folder : "";
    sync->OnEvent([this, label](const SyncEvent& event) {
      // A failure is in the log already.
      if (event.kind != SyncEvent::Kind::kFailed) display_.Event(label, event);
    });
    sync->OnPropagation([this, folder = location.folder](absl::Duration latency) {
      metrics_.ObservePropagation(folder, latency);
    });
    FS_ASSIGN_OR_RETURN(running.control, StartControlServer(location.directory, sync, &log_));
    running_.push_back(std::move(running));
    return absl::OkStatus();
  }

  // Rests when all is done until the schedule's next moment, then syncs until all is done.
  void FollowSchedule(const SyncStatus& status, Running& running) {
    const absl::Time now = clock_.Now();
    if (running.resting) {
      if (now < running.next) return;
      running.resting = false;
      running.sync->EndRest();
      running.next = options_.schedule->Next(now, absl::LocalTimeZone());
      return;
    }
    const bool done = status.state == SyncState::kInSync ||
                      status.state == SyncState::kIncomplete || status.state == SyncState::kHeld;
    if (running.next > absl::InfinitePast() && !done) return;
    running.resting = true;
    running.next = options_.schedule->Next(now, absl::LocalTimeZone());
    running.sync->Rest(running.next);
  }

  void ApplyLimits() {
    const absl::Time now = clock_.Now();
    const absl::TimeZone zone = absl::LocalTimeZone();
    limits_.up.SetRate(options_.limit_up.RateAt(now, zone));
    limits_.down.SetRate(options_.limit_down.RateAt(now, zone));
  }

  std::vector<SyncStatus> Statuses() const {
    std::vector<SyncStatus> statuses;
    for (const Running& running : running_) statuses.push_back(running.sync->status());
    return statuses;
  }

  int Loop() {
    while (true) {
      pollfd fd = {stop_signal_.get(), POLLIN, 0};
      if (poll(&fd, 1, kTickMilliseconds) > 0) return kExitInSync;
      ApplyLimits();
      const std::vector<SyncStatus> statuses = Statuses();
      if (options_.schedule.has_value() && options_.command == Command::kRun) {
        for (size_t i = 0; i < running_.size(); ++i) FollowSchedule(statuses[i], running_[i]);
      }
      display_.State(statuses);
      if (options_.command != Command::kSync) continue;
      int worst = kExitInSync;
      bool all_done = true;
      for (const SyncStatus& status : statuses) {
        const int code = Outcome(status);
        all_done = all_done && code >= 0;
        worst = std::max(worst, code);
      }
      if (!all_done) continue;
      if (!AskAboutConflicts(statuses)) return worst;
    }
  }

  // True when a person decided something that is carried out now.
  bool AskAboutConflicts(const std::vector<SyncStatus>& statuses) {
    if (!asks_) return false;
    bool decided = false;
    for (size_t i = 0; i < running_.size(); ++i) {
      if (statuses[i].held_conflicts == 0) continue;
      display_.Finish();
      decided = asker_.Ask(*running_[i].sync) || decided;
    }
    return decided;
  }

  // A one-shot run's exit code for this location; -1 while it goes on.
  static int Outcome(const SyncStatus& status) {
    switch (status.state) {
      case SyncState::kInSync:
        return kExitInSync;
      case SyncState::kIncomplete:
        if (status.settled_failures < status.failed_count) return -1;
        return status.held_conflicts == status.failed_count ? kExitConflicts : kExitSomeFailed;
      case SyncState::kHeld:
        return kExitHeld;
      case SyncState::kHalted:
        return kExitHalted;
      case SyncState::kOffline:
        return status.connection_failures >= kConnectionTries ? kExitUnreachable : -1;
      default:
        return -1;
    }
  }

  const AgentOptions& options_;
  RealClock clock_;
  const UniqueFd stop_signal_;
  Display display_;
  Logger log_;
  TransferLimits limits_;
  AgentMetrics metrics_;
  const bool asks_ = ConflictAsker::CanAsk();
  ConflictAsker asker_{stop_signal_.get(), options_.server};
  std::vector<Running> running_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

int RunSync(const AgentOptions& options) { return SyncCommand(options).Run(); }

}  // namespace filesync
