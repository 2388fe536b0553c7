#include "agent/cli/run_command.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "agent/cli/agent_metrics.h"
#include "agent/cli/config_watcher.h"
#include "agent/cli/control.h"
#include "agent/cli/display.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/options.h"
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

// SIGINT, SIGTERM and SIGHUP as something to poll. Made before any thread, so that all inherit it.
UniqueFd BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

// One location with what belongs to it.
struct Running {
  LocationPlan plan;
  std::unique_ptr<LocationSync> sync;
  std::unique_ptr<ControlServer> control;
  // With a schedule: its next moment, and whether it is waited for.
  absl::Time next = absl::InfinitePast();
  bool resting = false;

  ~Running() {
    control.reset();  // it asks the engine
    if (sync != nullptr) sync->Stop();
  }
};

bool UseColor() { return std::getenv("NO_COLOR") == nullptr && isatty(STDERR_FILENO) == 1; }

class SyncCommand {
 public:
  SyncCommand(AgentOptions options, ConfigWatcher config, bool once)
      : options_(std::move(options)),
        config_(std::move(config)),
        once_(once),
        signals_(BlockSignals()),
        terminal_(isatty(STDOUT_FILENO) == 1),
        display_(terminal_, UseColor()),
        log_(options_.log_level,
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
    if (once_) {
      for (const SyncStatus& status : Statuses()) display_.Summary(status);
    }
    // Metrics go before what they ask.
    http_.reset();
    limits_.Shutdown();
    absl::MutexLock lock(&mutex_);
    running_.clear();
    return code;
  }

 private:
  absl::Status Start() {
    for (const LocationPlan& plan : options_.locations) FS_RETURN_IF_ERROR(Add(plan));
    FS_RETURN_IF_ERROR(StartHttp());
    ApplyLimits();
    absl::MutexLock lock(&mutex_);
    for (const auto& running : running_) running->sync->Start();
    return absl::OkStatus();
  }

  absl::Status StartHttp() {
    http_.reset();
    if (options_.http == "off") return absl::OkStatus();
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
    return absl::OkStatus();
  }

  // Makes a location's engine; it is not started yet.
  absl::Status Add(const LocationPlan& plan) {
    auto running = std::make_unique<Running>();
    running->plan = plan;
    LocationSyncOptions options = plan.options;
    options.ignore_pause = once_;
    FS_ASSIGN_OR_RETURN(std::unique_ptr<ServerLink> link,
                        NewGrpcLink(options.server, &limits_, options.priority));
    FS_ASSIGN_OR_RETURN(running->sync,
                        LocationSync::Create(std::move(options), std::move(link), &clock_, &log_));
    LocationSync* sync = running->sync.get();
    const std::string label = options_.locations.size() > 1 ? plan.options.folder : "";
    sync->OnEvent([this, label](const SyncEvent& event) {
      // A failure is in the log already.
      if (event.kind != SyncEvent::Kind::kFailed) display_.Event(label, event);
    });
    sync->OnPropagation([this, folder = plan.options.folder](absl::Duration latency) {
      metrics_.ObservePropagation(folder, latency);
    });
    FS_ASSIGN_OR_RETURN(running->control, StartControlServer(plan.options.directory, sync, &log_));
    absl::MutexLock lock(&mutex_);
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
    limits_.slots.SetLimit(static_cast<size_t>(options_.transfers));
  }

  std::vector<SyncStatus> Statuses() const {
    absl::MutexLock lock(&mutex_);
    std::vector<SyncStatus> statuses;
    for (const auto& running : running_) statuses.push_back(running->sync->status());
    return statuses;
  }

  // Reads the configuration again and goes on by it; what is wrong with it leaves all as it was.
  void Reload() {
    absl::StatusOr<AgentOptions> read = config_.Read();
    if (!read.ok()) {
      log_.Error("the configuration stays as it was: {}", ToStd(read.status().message()));
      return;
    }
    const bool other_http = read->http != options_.http;
    options_ = *std::move(read);
    log_.SetLevel(options_.log_level);
    EndRests();
    RemoveOthers();
    for (const LocationPlan& plan : options_.locations) Follow(plan);
    ApplyLimits();
    if (other_http) {
      const absl::Status served = StartHttp();
      if (!served.ok()) log_.Error("metrics are not served: {}", ToStd(served.message()));
    }
    log_.Info("the configuration was read again");
  }

  // Another schedule, or none, counts from now.
  void EndRests() {
    absl::MutexLock lock(&mutex_);
    for (const auto& running : running_) {
      if (running->resting) running->sync->EndRest();
      running->resting = false;
      running->next = absl::InfinitePast();
    }
  }

  // Stops what the configuration does not speak of any more.
  void RemoveOthers() {
    std::vector<std::unique_ptr<Running>> gone;
    {
      absl::MutexLock lock(&mutex_);
      const auto kept = std::stable_partition(
          running_.begin(), running_.end(), [this](const std::unique_ptr<Running>& running) {
            return std::any_of(
                options_.locations.begin(), options_.locations.end(),
                [&](const LocationPlan& plan) { return plan.identity == running->plan.identity; });
          });
      std::move(kept, running_.end(), std::back_inserter(gone));
      running_.erase(kept, running_.end());
    }
    for (const auto& running : gone) {
      log_.Info("{}: stopping, its configuration changed", running->plan.options.directory);
    }
  }

  // Tells an engine that runs what changed for it, or starts one.
  void Follow(const LocationPlan& plan) {
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& running : running_) {
        if (running->plan.identity != plan.identity) continue;
        if (running->plan.live != plan.live) running->sync->Reconfigure(plan.options);
        running->plan = plan;
        return;
      }
    }
    const absl::Status added = Add(plan);
    if (!added.ok()) {
      log_.Error("{}: not synced: {}", plan.options.directory, ToStd(added.message()));
      return;
    }
    absl::MutexLock lock(&mutex_);
    running_.back()->sync->Start();
  }

  // Waits a moment; true when it is time to stop.
  bool Stopped() {
    pollfd fd = {signals_.get(), POLLIN, 0};
    signalfd_siginfo signal{};
    bool reload = false;
    if (poll(&fd, 1, kTickMilliseconds) > 0 &&
        read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
      // A terminal that was closed says so by the signal that otherwise means "read again".
      const bool hung_up = terminal_ && isatty(STDOUT_FILENO) == 0;
      if (signal.ssi_signo != SIGHUP || hung_up) return true;
      reload = true;
    }
    if (!once_ && (config_.Changed(clock_.Now()) || reload)) Reload();
    return false;
  }

  int Loop() {
    while (!Stopped()) {
      ApplyLimits();
      const std::vector<SyncStatus> statuses = Statuses();
      if (options_.schedule.has_value() && !once_) {
        absl::MutexLock lock(&mutex_);
        for (size_t i = 0; i < running_.size(); ++i) FollowSchedule(statuses[i], *running_[i]);
      }
      display_.State(statuses);
      if (!once_) continue;
      int worst = kExitInSync;
      bool all_done = true;
      for (const SyncStatus& status : statuses) {
        const int code = Outcome(status);
        all_done = all_done && code >= 0;
        worst = std::max(worst, code);
      }
      if (all_done) return worst;
    }
    return kExitInSync;
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

  AgentOptions options_;
  ConfigWatcher config_;
  const bool once_;
  RealClock clock_;
  const UniqueFd signals_;
  const bool terminal_;
  Display display_;
  Logger log_;
  TransferLimits limits_;
  AgentMetrics metrics_;
  // Changed by the main thread only; read by those that serve metrics.
  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Running>> running_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

int RunSync(const Invocation& asked) {
  const absl::StatusOr<Sources> sources = ReadSources(asked.settings, environ);
  if (!sources.ok()) return Refuse(sources.status());
  absl::StatusOr<AgentOptions> options = CheckOptions(*sources);
  if (!options.ok()) return Refuse(options.status());
  for (const std::string& warning : sources->warnings) {
    fmt::print(stderr, "syncagent: {}\n", warning);
  }
  return SyncCommand(*std::move(options), ConfigWatcher(asked.settings, *sources),
                     asked.command->name == "sync")
      .Run();
}

}  // namespace filesync
