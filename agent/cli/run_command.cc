#include "agent/cli/run_command.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <thread>

#include "agent/cli/agent_metrics.h"
#include "agent/cli/control.h"
#include "agent/cli/control_proto.h"
#include "agent/cli/display.h"
#include "agent/cli/exit_code.h"
#include "agent/engine/sync_manager.h"
#include "agent/hooks/hooks.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/wire/http.h"

namespace filesync {
namespace {

constexpr int kTickMilliseconds = 100;
constexpr int kExitSignalled = 128;  // and the signal's number, as shells have it

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

bool UseColor() { return std::getenv("NO_COLOR") == nullptr && isatty(STDERR_FILENO) == 1; }

int ExitCodeOf(SyncOutcome outcome) {
  switch (outcome) {
    case SyncOutcome::kInSync:
      return kExitInSync;
    case SyncOutcome::kConflicts:
      return kExitConflicts;
    case SyncOutcome::kHeld:
      return kExitHeld;
    case SyncOutcome::kUnreachable:
      return kExitUnreachable;
    case SyncOutcome::kHalted:
      return kExitHalted;
    case SyncOutcome::kSomeFailed:
    case SyncOutcome::kPaused:
    case SyncOutcome::kUnfinished:
      return kExitSomeFailed;
  }
  return kExitSomeFailed;
}

SyncManagerOptions ManagerOptions(const AgentOptions& options) {
  SyncManagerOptions manager;
  manager.server = options.server;
  manager.name = options.name;
  manager.limit_up = options.limit_up;
  manager.limit_down = options.limit_down;
  for (const FolderDirectory& named : options.locations) {
    SyncLocation location;
    location.sync.directory = named.directory;
    location.sync.folder = named.folder;
    location.sync.mode = options.mode;
    location.sync.policies = options.policies;
    location.sync.filters = options.filters;
    location.sync.max_delete = options.max_delete;
    location.sync.ignore_pause = options.command == Command::kSync;
    location.schedule = options.schedule;
    manager.locations.push_back(std::move(location));
  }
  return manager;
}

class SyncCommand {
 public:
  explicit SyncCommand(const AgentOptions& options)
      : options_(options),
        once_(options.command == Command::kSync),
        stop_signal_(BlockStopSignals()),
        display_(IsTerminal(STDOUT_FILENO), UseColor()),
        log_(options.log_level,
             [this](LogLevel level, std::string_view message) { display_.Log(level, message); }),
        hooks_(options.hooks, &clock_, &log_),
        metrics_([this] { return manager_->statuses(); }) {
    for (const FolderDirectory& location : options.locations) feeds_[location.directory];
  }

  int Run() {
    if (absl::Status started = Start(); !started.ok()) {
      display_.Log(LogLevel::kError, ToStd(started.message()));
      return absl::IsInvalidArgument(started) ? kExitUsage : kExitHalted;
    }
    const int code = once_ ? RunOnce() : RunUntilStopped();
    // Sockets and metrics go before what they ask.
    http_.reset();
    controls_.clear();
    manager_->Stop();
    // A run that has ended still passes on what it did; a stop waits for nobody.
    while (once_ && code < kExitSignalled && !hooks_.Idle()) {
      if (Wait() != 0) break;
    }
    hooks_.Stop();
    return code;
  }

 private:
  absl::Status Start() {
    FS_ASSIGN_OR_RETURN(manager_,
                        SyncManager::Create(ManagerOptions(options_), Callbacks(), &clock_, &log_));
    for (const FolderDirectory& location : options_.locations) {
      FS_ASSIGN_OR_RETURN(std::unique_ptr<ControlServer> control,
                          StartControlServer(location.directory, manager_.get(),
                                             &feeds_.at(location.directory), &log_));
      controls_.push_back(std::move(control));
    }
    return options_.http == "off" ? absl::OkStatus() : StartHttp();
  }

  absl::Status StartHttp() {
    FS_ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(options_.http, true));
    HttpHandlers handlers;
    handlers.metrics = [this] { return metrics_.Serialize(); };
    handlers.healthy = [] { return true; };
    handlers.ready = [this] {
      const std::vector<SyncStatus> statuses = manager_->statuses();
      return std::all_of(statuses.begin(), statuses.end(), [](const SyncStatus& status) {
        return status.state != SyncState::kHalted && status.state != SyncState::kOffline;
      });
    };
    FS_ASSIGN_OR_RETURN(http_, HttpServer::Start(endpoint, std::move(handlers)));
    return absl::OkStatus();
  }

  SyncManagerCallbacks Callbacks() {
    SyncManagerCallbacks callbacks;
    callbacks.on_event = [this](const LocationName& name, const SyncEvent& event) {
      // Failures are in the log already.
      const bool logged =
          event.kind == SyncEvent::Kind::kFailed || event.kind == SyncEvent::Kind::kConflictHeld;
      if (!logged) display_.Event(options_.locations.size() > 1 ? name.folder : "", event);
      hooks_.OnEvent(name, event);
      Publish(name, [&event](control::v1::Event& out) { ToProto(event, out.mutable_sync()); });
    };
    callbacks.on_status = [this](const LocationName& name, const SyncStatus& status) {
      hooks_.OnStatus(name, status);
      Publish(name, [&status](control::v1::Event& out) {
        ToProto(status, /*running=*/true, out.mutable_status());
      });
    };
    callbacks.on_progress = [this](const ProgressReport& report) {
      display_.Progress(report.total);
      for (const auto& location : report.locations) {
        Publish(location.first, [&location](control::v1::Event& out) {
          ToProto(location.second, out.mutable_progress());
        });
      }
    };
    callbacks.on_propagation = [this](const LocationName& name, absl::Duration latency) {
      metrics_.ObservePropagation(name.folder, latency);
    };
    return callbacks;
  }

  // To those who follow the location's events, if any.
  template <typename Fill>
  void Publish(const LocationName& name, const Fill& fill) {
    EventFeed& feed = feeds_.at(name.directory);
    if (!feed.HasReaders()) return;
    control::v1::Event event;
    ToProto(clock_.Now(), event.mutable_time());
    fill(event);
    feed.Publish(event);
  }

  // Waits for a tick; the number of the signal that came instead, or 0.
  int Wait() {
    pollfd fd = {stop_signal_.get(), POLLIN, 0};
    signalfd_siginfo info{};
    if (poll(&fd, 1, kTickMilliseconds) > 0 &&
        read(stop_signal_.get(), &info, sizeof(info)) == sizeof(info)) {
      return static_cast<int>(info.ssi_signo);
    }
    return 0;
  }

  int Tick() {
    const int signal = Wait();
    if (signal == 0) display_.State(manager_->statuses());
    return signal;
  }

  int RunUntilStopped() {
    manager_->Start();
    while (Tick() == 0) {
    }
    display_.Finish();
    return kExitInSync;
  }

  int RunOnce() {
    const absl::Time began = clock_.Now();
    std::stop_source cancel;
    std::atomic<bool> ended = false;
    std::vector<LocationOutcome> outcomes;
    std::thread run([&] {
      outcomes = manager_->SyncAll(absl::InfiniteFuture(), cancel.get_token());
      ended = true;
    });
    int code = kExitInSync;
    while (!ended) {
      const int signal = Tick();
      if (signal == 0) continue;
      code = kExitSignalled + signal;
      cancel.request_stop();
      break;
    }
    run.join();
    std::vector<SyncStatus> statuses;
    for (const LocationOutcome& outcome : outcomes) {
      if (code < kExitSignalled) code = std::max(code, ExitCodeOf(outcome.outcome));
      statuses.push_back(outcome.status);
    }
    display_.State(statuses);
    display_.Finish();
    for (const SyncStatus& status : statuses) display_.Summary(status, clock_.Now() - began);
    return code;
  }

  const AgentOptions& options_;
  const bool once_;
  RealClock clock_;
  const UniqueFd stop_signal_;
  Display display_;
  Logger log_;
  Hooks hooks_;
  AgentMetrics metrics_;
  std::map<std::string, EventFeed> feeds_;  // by directory
  std::unique_ptr<SyncManager> manager_;
  std::vector<std::unique_ptr<ControlServer>> controls_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

int RunSync(const AgentOptions& options) { return SyncCommand(options).Run(); }

}  // namespace filesync
