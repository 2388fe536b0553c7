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

#include "agent/cli/action_list.h"
#include "agent/cli/agent_metrics.h"
#include "agent/cli/ask_conflicts.h"
#include "agent/cli/config_watcher.h"
#include "agent/cli/consent.h"
#include "agent/cli/control.h"
#include "agent/cli/control_proto.h"
#include "agent/cli/display.h"
#include "agent/cli/dry_run_command.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/options.h"
#include "agent/cli/outcome.h"
#include "agent/cli/print_json.h"
#include "agent/engine/location_sync.h"
#include "agent/engine/sync_manager.h"
#include "agent/hooks/hooks.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/wire/http.h"

namespace filesync {
namespace {

constexpr int kTickMilliseconds = 100;
constexpr int kExitSignalled = 128;  // and the signal's number, as shells have it

// SIGINT, SIGTERM and SIGHUP as something to poll. Made before any thread, so that all inherit it.
UniqueFd BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

bool UseColor() { return std::getenv("NO_COLOR") == nullptr && isatty(STDERR_FILENO) == 1; }

SyncLocation ToLocation(const LocationPlan& plan, const AgentOptions& options) {
  SyncLocation location;
  location.sync = plan.options;
  location.schedule = options.schedule;
  return location;
}

SyncManagerOptions ManagerOptions(const AgentOptions& options) {
  SyncManagerOptions manager;
  manager.server = options.server;
  manager.name = options.name;
  manager.limit_up = options.limit_up;
  manager.limit_down = options.limit_down;
  manager.transfers = static_cast<size_t>(options.transfers);
  for (const LocationPlan& plan : options.locations) {
    manager.locations.push_back(ToLocation(plan, options));
  }
  return manager;
}

class SyncCommand {
 public:
  // `flags`: the command's own. With --json, of a run that ends by itself, what it did is told as
  // JSON at its end, and nothing else.
  SyncCommand(AgentOptions options, ConfigWatcher config, CommandFlags flags, bool once)
      : options_(std::move(options)),
        config_(std::move(config)),
        flags_(std::move(flags)),
        once_(once),
        json_(flags_.contains("json")),
        asks_(!json_ && ConflictAsker::CanAsk()),
        several_(options_.locations.size() > 1),
        signals_(BlockSignals()),
        terminal_(IsTerminal(STDOUT_FILENO)),
        display_(terminal_, UseColor()),
        log_(options_.log_level,
             [this](LogLevel level, std::string_view message) { display_.Log(level, message); }),
        hooks_(std::make_shared<Hooks>(options_.hooks, &clock_, &log_)),
        metrics_([this] { return manager_->statuses(); }) {
    if (!json_) return;
    for (const LocationPlan& plan : options_.locations) actions_[plan.options.directory];
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
    while (once_ && code < kExitSignalled && !hooks_.load()->Idle()) {
      if (Wait() != 0) break;
    }
    hooks_.load()->Stop();
    return code;
  }

 private:
  absl::Status Start() {
    FS_ASSIGN_OR_RETURN(manager_,
                        SyncManager::Create(ManagerOptions(options_), Callbacks(), &clock_, &log_));
    for (const LocationPlan& plan : options_.locations) {
      NoteApplied(plan);
      FS_RETURN_IF_ERROR(OpenControl(plan));
    }
    return StartHttp();
  }

  absl::Status OpenControl(const LocationPlan& plan) {
    const std::string& directory = plan.options.directory;
    FS_ASSIGN_OR_RETURN(controls_[directory],
                        StartControlServer(directory, manager_.get(), Feed(directory), &log_));
    return absl::OkStatus();
  }

  // Of the location; made when first asked for.
  EventFeed* Feed(const std::string& directory) {
    absl::MutexLock lock(&feeds_mutex_);
    return &feeds_[directory];
  }

  absl::Status StartHttp() {
    http_.reset();
    if (options_.http == "off") return absl::OkStatus();
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
      Show(name, event);
      hooks_.load()->OnEvent(name, event);
      Publish(name, [&event](control::v1::Event& out) { ToProto(event, out.mutable_sync()); });
    };
    callbacks.on_status = [this](const LocationName& name, const SyncStatus& status) {
      hooks_.load()->OnStatus(name, status);
      Publish(name, [&status](control::v1::Event& out) {
        ToProto(status, /*running=*/true, out.mutable_status());
      });
    };
    callbacks.on_progress = [this](const ProgressReport& report) {
      if (!json_) display_.Progress(report.total);
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

  void Show(const LocationName& name, const SyncEvent& event) {
    if (json_) {
      actions_.at(name.directory).Add(event);
      return;
    }
    // Failures are in the log already.
    const bool logged =
        event.kind == SyncEvent::Kind::kFailed || event.kind == SyncEvent::Kind::kConflictHeld;
    if (!logged) display_.Event(several_ ? name.folder : "", event);
  }

  // To those who follow the location's events, if any.
  template <typename Fill>
  void Publish(const LocationName& name, const Fill& fill) {
    EventFeed& feed = *Feed(name.directory);
    if (!feed.HasReaders()) return;
    control::v1::Event event;
    ToProto(clock_.Now(), event.mutable_time());
    fill(event);
    feed.Publish(event);
  }

  absl::StatusOr<AgentOptions> ReadAgain() {
    FS_ASSIGN_OR_RETURN(AgentOptions options, config_.Read());
    FS_RETURN_IF_ERROR(ReadOwnFlags(flags_, options));
    return options;
  }

  // Reads the configuration again and goes on by it; what is wrong with it leaves all as it was.
  void Reload() {
    absl::StatusOr<AgentOptions> read = ReadAgain();
    if (!read.ok()) {
      log_.Error("the configuration stays as it was: {}", ToStd(read.status().message()));
      return;
    }
    const AgentOptions before = std::exchange(options_, *std::move(read));
    several_ = options_.locations.size() > 1;
    log_.SetLevel(options_.log_level);
    manager_->SetLimits(options_.limit_up, options_.limit_down);
    manager_->SetTransfers(static_cast<size_t>(options_.transfers));
    for (const LocationPlan& plan : before.locations) {
      if (FindPlan(options_, plan.options.directory) == nullptr) Remove(plan);
    }
    for (const LocationPlan& plan : options_.locations) {
      const absl::Status followed = Follow(plan, FindPlan(before, plan.options.directory));
      if (!followed.ok()) log_.Error("{}: {}", plan.options.directory, ToStd(followed.message()));
    }
    if (before.http != options_.http || (http_ == nullptr && options_.http != "off")) {
      const absl::Status served = StartHttp();
      if (!served.ok()) log_.Error("metrics are not served: {}", ToStd(served.message()));
    }
    if (before.hooks != options_.hooks) {
      hooks_.exchange(std::make_shared<Hooks>(options_.hooks, &clock_, &log_))->Stop();
    }
    log_.Info("the configuration was read again");
  }

  static const LocationPlan* FindPlan(const AgentOptions& options, const std::string& directory) {
    for (const LocationPlan& plan : options.locations) {
      if (plan.options.directory == directory) return &plan;
    }
    return nullptr;
  }

  void NoteApplied(const LocationPlan& plan) {
    identities_[plan.options.directory] = plan.identity;
    schedules_[plan.options.directory] = options_.schedule_text;
  }

  void Remove(const LocationPlan& plan) {
    const std::string& directory = plan.options.directory;
    identities_.erase(directory);
    controls_.erase(directory);
    (void)manager_->RemoveLocation(directory);  // NotFound: it could not be opened before
    log_.Info("{} is not synced any more", directory);
  }

  // Brings the manager in line with `plan`, which was `before`; nullptr: there was none.
  absl::Status Follow(const LocationPlan& plan, const LocationPlan* before) {
    const std::string& directory = plan.options.directory;
    const bool known = before != nullptr && manager_->status(directory).ok();
    if (!known) {
      FS_RETURN_IF_ERROR(manager_->AddLocation(ToLocation(plan, options_)));
      NoteApplied(plan);
      return OpenControl(plan);
    }
    // Not what was asked for last: that may have failed.
    if (identities_[directory] != plan.identity) {
      identities_[directory].clear();
      FS_RETURN_IF_ERROR(manager_->ReplaceLocation(ToLocation(plan, options_)));
      NoteApplied(plan);
      return absl::OkStatus();
    }
    if (controls_[directory] == nullptr) FS_RETURN_IF_ERROR(OpenControl(plan));
    if (schedules_[directory] != options_.schedule_text) {
      FS_RETURN_IF_ERROR(manager_->SetSchedule(directory, options_.schedule));
      schedules_[directory] = options_.schedule_text;
    }
    if (before->live == plan.live) return absl::OkStatus();
    return manager_->ReconfigureLocation(plan.options);
  }

  // A terminal that was closed says so by the signal that otherwise means "read again".
  bool HungUp() const { return terminal_ && isatty(STDOUT_FILENO) == 0; }

  // The number of a signal to stop that waits to be looked at, or 0.
  int PendingSignal() {
    pollfd fd = {signals_.get(), POLLIN, 0};
    signalfd_siginfo info{};
    const bool waits =
        poll(&fd, 1, 0) > 0 && read(signals_.get(), &info, sizeof(info)) == sizeof(info);
    return waits && info.ssi_signo != SIGHUP ? static_cast<int>(info.ssi_signo) : 0;
  }

  // Waits for a tick; the number of the signal to stop that came instead, or 0.
  int Wait() {
    pollfd fd = {signals_.get(), POLLIN, 0};
    signalfd_siginfo info{};
    if (poll(&fd, 1, kTickMilliseconds) > 0 &&
        read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo != SIGHUP || HungUp()) return static_cast<int>(info.ssi_signo);
      if (!once_) Reload();
    }
    if (!once_ && config_.Changed(clock_.Now())) Reload();
    return 0;
  }

  int Tick() {
    const int signal = Wait();
    if (signal == 0 && !json_) display_.State(manager_->statuses());
    return signal;
  }

  int RunUntilStopped() {
    manager_->Start();
    while (Tick() == 0) {
      if (!asks_) continue;
      for (const LocationName& name : manager_->locations()) {
        const absl::StatusOr<SyncStatus> status = manager_->status(name.directory);
        if (status.ok()) (void)AskForConsent(name.directory, *status);
      }
    }
    display_.Finish();
    return kExitInSync;
  }

  int RunOnce() {
    const absl::Time began = clock_.Now();
    std::vector<LocationOutcome> outcomes;
    int signal = 0;
    do {
      signal = SyncAll(outcomes);
    } while (signal == 0 && (AskForConsent(outcomes) || AskAboutConflicts(outcomes)));
    // A question is answered by Ctrl-C, too.
    if (signal == 0 && asks_) signal = PendingSignal();
    int code = signal == 0 ? kExitInSync : kExitSignalled + signal;
    for (const LocationOutcome& outcome : outcomes) {
      if (signal == 0) code = std::max(code, ExitCodeOf(outcome.outcome));
    }
    if (json_) {
      PrintReport(outcomes, code);
    } else {
      Summarize(outcomes, clock_.Now() - began);
    }
    return code;
  }

  void Summarize(const std::vector<LocationOutcome>& outcomes, absl::Duration took) {
    std::vector<SyncStatus> statuses;
    statuses.reserve(outcomes.size());
    for (const LocationOutcome& outcome : outcomes) statuses.push_back(outcome.status);
    display_.State(statuses);
    display_.Finish();
    for (const SyncStatus& status : statuses) display_.Summary(status, took);
  }

  // What was done, as JSON.
  void PrintReport(const std::vector<LocationOutcome>& outcomes, int code) {
    control::v1::SyncReport report;
    report.set_exit_code(code);
    for (const LocationOutcome& outcome : outcomes) {
      const std::string& directory = outcome.name.directory;
      ActionList& actions = actions_.at(directory);
      const absl::Status asked = manager_->WithLocation(directory, [&](LocationSync& sync) {
        FS_ASSIGN_OR_RETURN(const PendingList pending, sync.Pending(SIZE_MAX));
        actions.AddUnsettled(pending);
        return absl::OkStatus();
      });
      if (!asked.ok()) log_.Warn("{}: {}", directory, ToStd(asked.message()));
      actions.Fill(outcome.status, report.add_locations());
    }
    PrintJson(report);
  }

  // Returns the number of the signal that ended it, or 0.
  int SyncAll(std::vector<LocationOutcome>& outcomes) {
    std::stop_source cancel;
    std::atomic<bool> ended = false;
    std::thread run([&] {
      outcomes = manager_->SyncAll(absl::InfiniteFuture(), cancel.get_token());
      ended = true;
    });
    int signal = 0;
    while (!ended && signal == 0) signal = Tick();
    if (signal != 0) cancel.request_stop();
    run.join();
    return signal;
  }

  // True when a person agreed to what one side's winning costs the other, which goes on now.
  bool AskForConsent(const std::string& directory, const SyncStatus& status) {
    if (!consent_.Wants(directory, status)) return false;
    display_.Finish();
    return consent_.Ask(*manager_, directory, status);
  }

  bool AskForConsent(const std::vector<LocationOutcome>& outcomes) {
    bool agreed = false;
    for (const LocationOutcome& outcome : outcomes) {
      agreed = (asks_ && AskForConsent(outcome.name.directory, outcome.status)) || agreed;
    }
    return agreed;
  }

  // True when a person decided something that is to be carried out now.
  bool AskAboutConflicts(const std::vector<LocationOutcome>& outcomes) {
    if (!asks_) return false;
    bool decided = false;
    for (const LocationOutcome& outcome : outcomes) {
      if (outcome.status.held_conflicts == 0) continue;
      display_.Finish();
      decided = asker_.Ask(*manager_, outcome.name.directory) || decided;
    }
    return decided;
  }

  AgentOptions options_;
  ConfigWatcher config_;
  const CommandFlags flags_;
  const bool once_;
  const bool json_;
  const bool asks_;                            // somebody is there to be asked
  std::map<std::string, ActionList> actions_;  // for `json_`: by directory
  std::atomic<bool> several_;                  // locations: each line says which it is of
  RealClock clock_;
  const UniqueFd signals_;
  ConflictAsker asker_{signals_.get()};
  ConsentAsker consent_{signals_.get()};
  const bool terminal_;
  Display display_;
  Logger log_;
  std::atomic<std::shared_ptr<Hooks>> hooks_;  // replaced when the configuration says so
  AgentMetrics metrics_;
  absl::Mutex feeds_mutex_;
  std::map<std::string, EventFeed> feeds_ ABSL_GUARDED_BY(feeds_mutex_);  // by directory; stay
  std::unique_ptr<SyncManager> manager_;
  std::map<std::string, std::unique_ptr<ControlServer>> controls_;  // by directory
  // What each directory is synced by, by directory; "" after a failure.
  std::map<std::string, std::string> identities_;
  std::map<std::string, std::string> schedules_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

int RunSync(const Invocation& asked) {
  if (asked.Has("dry-run")) return RunDryRun(asked);
  Sources sources;
  Rebinding rebinding;
  absl::StatusOr<AgentOptions> options =
      ReadOptions(asked.settings, sources, asked.Has("rebind") ? &rebinding : nullptr);
  if (!options.ok()) return Refuse(options.status());
  if (!asked.Has("yes")) {
    if (const absl::Status agreed = AskToRebind(rebinding); !agreed.ok()) return Refuse(agreed);
  }
  if (const absl::Status read = ReadOwnFlags(asked.flags, *options); !read.ok()) {
    return Refuse(read);
  }
  const bool once = asked.command->name == "sync";
  if (once) MakeOneShot(*options, asked.Has("full"));
  return SyncCommand(*std::move(options),
                     ConfigWatcher(asked.settings, sources, asked.Has("rebind")), asked.flags, once)
      .Run();
}

}  // namespace filesync
