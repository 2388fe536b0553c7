#include "agent/engine/sync_manager.h"

#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/grpc_link.h"
#include "agent/engine/managed_location.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// What ends within this long is told together.
constexpr absl::Duration kShortestReportGap = absl::Milliseconds(10);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
// A run that was asked for gives up on a server that could not be reached after this many tries.
constexpr uint64_t kConnectionTries = 5;

bool SameProgress(const SyncProgress& a, const SyncProgress& b) {
  return a.files_moved == b.files_moved && a.files_to_move == b.files_to_move &&
         a.bytes_moved == b.bytes_moved && a.bytes_to_move == b.bytes_to_move;
}

}  // namespace

std::optional<SyncOutcome> OutcomeOf(const SyncStatus& status, uint64_t failures_before) {
  switch (status.state) {
    case SyncState::kInSync:
      return SyncOutcome::kInSync;
    case SyncState::kIncomplete:
      if (status.settled_failures < status.failed_count) return std::nullopt;
      return status.held_conflicts == status.failed_count ? SyncOutcome::kConflicts
                                                          : SyncOutcome::kSomeFailed;
    case SyncState::kHeld:
      return SyncOutcome::kHeld;
    case SyncState::kHalted:
      return SyncOutcome::kHalted;
    case SyncState::kPaused:
      return SyncOutcome::kPaused;
    case SyncState::kOffline:
      if (status.connection_failures < std::max(kConnectionTries, failures_before + 1)) {
        return std::nullopt;
      }
      return SyncOutcome::kUnreachable;
    case SyncState::kScanning:
    case SyncState::kSyncing:
      return std::nullopt;
  }
  return std::nullopt;
}

class SyncManager::Impl {
 public:
  Impl(SyncManagerOptions options, SyncManagerCallbacks callbacks, Clock* clock, Logger* log)
      : server_(std::move(options.server)),
        name_(std::move(options.name)),
        callbacks_(std::move(callbacks)),
        clock_(clock),
        log_(log),
        limits_(clock),
        limit_up_(std::move(options.limit_up)),
        limit_down_(std::move(options.limit_down)) {
    limits_.slots.SetLimit(options.transfers);
  }
  ~Impl() { Stop(); }

  void Start();
  void Stop();
  std::vector<LocationOutcome> SyncAll(absl::Time deadline, const std::stop_token& cancel);

  absl::Status Add(SyncLocation location);
  absl::Status Remove(const std::string& directory);
  absl::Status Replace(SyncLocation location);
  void SetLimits(RateTimetable up, RateTimetable down);
  void SetTransfers(size_t at_once) { limits_.slots.SetLimit(at_once); }

  using LocationPtr = std::shared_ptr<ManagedLocation>;
  std::vector<LocationPtr> All() const {
    absl::MutexLock lock(&mutex_);
    return locations_;
  }
  absl::StatusOr<LocationPtr> Find(const std::string& directory) const;

 private:
  absl::StatusOr<std::unique_ptr<LocationSync>> Open(const SyncLocation& location);
  void StopEngine(std::unique_ptr<LocationSync> sync);
  void ApplyLimits();
  void Run();
  void WaitForTick() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReportProgress();
  void NoteEvent(const LocationName& name, const SyncEvent& event);

  const std::string server_;
  const std::string name_;
  const SyncManagerCallbacks callbacks_;
  Clock* const clock_;
  Logger* const log_;
  TransferLimits limits_;

  // Held while locations are opened and stopped, which takes time.
  absl::Mutex change_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::vector<LocationPtr> locations_ ABSL_GUARDED_BY(mutex_);
  RateTimetable limit_up_ ABSL_GUARDED_BY(mutex_);
  RateTimetable limit_down_ ABSL_GUARDED_BY(mutex_);
  bool unlimited_ ABSL_GUARDED_BY(mutex_) = false;  // a location is being stopped
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool file_ended_ ABSL_GUARDED_BY(mutex_) = false;
  int runs_asked_for_ ABSL_GUARDED_BY(mutex_) = 0;  // SyncAll: schedules do not count
  std::thread thread_;
  // The manager's thread only.
  absl::Time reported_ = absl::InfinitePast();
  SyncProgress last_total_;
};

absl::StatusOr<SyncManager::Impl::LocationPtr> SyncManager::Impl::Find(
    const std::string& directory) const {
  absl::MutexLock lock(&mutex_);
  for (const LocationPtr& location : locations_) {
    if (location->name().directory == directory) return location;
  }
  return NotFound("{} is not one of the synced directories", directory);
}

absl::StatusOr<std::unique_ptr<LocationSync>> SyncManager::Impl::Open(
    const SyncLocation& location) {
  LocationSyncOptions options = location.sync;
  if (options.agent_name.empty()) options.agent_name = name_;
  if (options.server.empty()) options.server = server_;
  const LocationName name = {options.directory, options.folder};
  FS_ASSIGN_OR_RETURN(std::unique_ptr<ServerLink> link,
                      NewGrpcLink(options.server, &limits_, options.priority));
  FS_ASSIGN_OR_RETURN(LocationParts parts, OpenParts(options, std::move(link), clock_, log_));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<LocationSync> sync,
                      LocationSync::Create(std::move(options), std::move(parts), clock_, log_));
  sync->OnEvent([this, name](const SyncEvent& event) { NoteEvent(name, event); });
  if (callbacks_.on_status) {
    sync->OnStatus([this, name](const SyncStatus& status) { callbacks_.on_status(name, status); });
  }
  if (callbacks_.on_propagation) {
    sync->OnPropagation(
        [this, name](absl::Duration latency) { callbacks_.on_propagation(name, latency); });
  }
  return sync;
}

void SyncManager::Impl::NoteEvent(const LocationName& name, const SyncEvent& event) {
  if (callbacks_.on_event) callbacks_.on_event(name, event);
  if (!event.MayEndTransfer()) return;
  absl::MutexLock lock(&mutex_);
  file_ended_ = true;
}

absl::Status SyncManager::Impl::Add(SyncLocation location) {
  absl::MutexLock change(&change_mutex_);
  const std::string directory = location.sync.directory;
  if (Find(directory).ok()) return AlreadyExists("{} is synced already", directory);
  FS_ASSIGN_OR_RETURN(std::unique_ptr<LocationSync> sync, Open(location));
  auto managed =
      std::make_shared<ManagedLocation>(LocationName{directory, location.sync.folder}, clock_);
  managed->Put(std::move(sync), std::move(location));
  bool start = false;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return FailedPrecondition("it was stopped");
    start = started_;
    locations_.push_back(managed);
  }
  if (start) managed->Start();
  return absl::OkStatus();
}

// What it transfers may wait for its share of a low rate for long: the limits are lifted until
// it has ended.
void SyncManager::Impl::StopEngine(std::unique_ptr<LocationSync> sync) {
  if (sync == nullptr) return;
  {
    absl::MutexLock lock(&mutex_);
    unlimited_ = true;
  }
  ApplyLimits();
  sync->Stop();
  sync.reset();
  {
    absl::MutexLock lock(&mutex_);
    unlimited_ = false;
  }
  ApplyLimits();
}

absl::Status SyncManager::Impl::Remove(const std::string& directory) {
  absl::MutexLock change(&change_mutex_);
  FS_ASSIGN_OR_RETURN(const LocationPtr location, Find(directory));
  {
    absl::MutexLock lock(&mutex_);
    locations_.erase(std::find(locations_.begin(), locations_.end(), location));
  }
  location->SetRemoved();
  StopEngine(location->Take());
  return absl::OkStatus();
}

absl::Status SyncManager::Impl::Replace(SyncLocation options) {
  absl::MutexLock change(&change_mutex_);
  FS_ASSIGN_OR_RETURN(const LocationPtr location, Find(options.sync.directory));
  bool start = false;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return FailedPrecondition("it was stopped");
    start = started_;
  }
  SyncLocation before = location->options();
  StopEngine(location->Take());
  absl::StatusOr<std::unique_ptr<LocationSync>> sync = Open(options);
  absl::Status replaced = sync.status();
  if (!replaced.ok()) {
    sync = Open(before);
    options = std::move(before);
  }
  if (!sync.ok()) {
    location->SetBroken(sync.status());
    return replaced;
  }
  location->Put(*std::move(sync), std::move(options));
  if (start) location->Start();
  return replaced;
}

void SyncManager::Impl::SetLimits(RateTimetable up, RateTimetable down) {
  {
    absl::MutexLock lock(&mutex_);
    limit_up_ = std::move(up);
    limit_down_ = std::move(down);
  }
  ApplyLimits();
}

void SyncManager::Impl::ApplyLimits() {
  const absl::Time now = clock_->Now();
  const absl::TimeZone zone = absl::LocalTimeZone();
  absl::MutexLock lock(&mutex_);
  limits_.up.SetRate(unlimited_ ? std::nullopt : limit_up_.RateAt(now, zone));
  limits_.down.SetRate(unlimited_ ? std::nullopt : limit_down_.RateAt(now, zone));
}

void SyncManager::Impl::Start() {
  absl::MutexLock change(&change_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (started_ || stopped_) return;
    started_ = true;
  }
  ApplyLimits();
  for (const LocationPtr& location : All()) location->Start();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "manager");
    Run();
  });
}

void SyncManager::Impl::Stop() {
  absl::MutexLock change(&change_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  if (thread_.joinable()) thread_.join();
  limits_.Shutdown();
  for (const LocationPtr& location : All()) {
    // Their last words are kept.
    if (const std::unique_ptr<LocationSync> sync = location->Take(); sync != nullptr) sync->Stop();
  }
}

void SyncManager::Impl::WaitForTick() {
  const absl::Time now = clock_->Now();
  absl::MutexLock lock(&mutex_);
  auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return file_ended_ || stopped_; };
  mutex_.AwaitWithTimeout(absl::Condition(&due),
                          std::clamp(reported_ + kTick - now, absl::ZeroDuration(), kTick));
  auto stopped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_; };
  mutex_.AwaitWithTimeout(
      absl::Condition(&stopped),
      std::clamp(reported_ + kShortestReportGap - now, absl::ZeroDuration(), kShortestReportGap));
  file_ended_ = false;
}

void SyncManager::Impl::Run() {
  while (true) {
    WaitForTick();
    bool follow = false;
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) break;
      follow = runs_asked_for_ == 0;
    }
    ApplyLimits();
    if (follow) {
      for (const LocationPtr& location : All()) location->FollowSchedule();
    }
    ReportProgress();
  }
  ReportProgress();
}

void SyncManager::Impl::ReportProgress() {
  reported_ = clock_->Now();
  if (!callbacks_.on_progress) return;
  ProgressReport report;
  std::vector<SyncProgress> parts;
  for (const LocationPtr& location : All()) {
    parts.push_back(location->SampleProgress());
    report.locations.emplace_back(location->name(), parts.back());
  }
  report.total = Sum(parts);
  const bool news = report.total.Active() || !SameProgress(report.total, last_total_);
  last_total_ = report.total;
  if (news) callbacks_.on_progress(report);
}

std::vector<LocationOutcome> SyncManager::Impl::SyncAll(absl::Time deadline,
                                                        const std::stop_token& cancel) {
  {
    absl::MutexLock lock(&mutex_);
    ++runs_asked_for_;
  }
  Start();
  struct Run {
    LocationPtr location;
    uint64_t failures = 0;
    ManagedLocation::Request request;
  };
  std::vector<Run> runs;
  for (const LocationPtr& location : All()) {
    Run run;
    run.location = location;
    run.failures = location->status().connection_failures;
    run.request = location->Wake();
    runs.push_back(std::move(run));
  }
  std::vector<LocationOutcome> outcomes;
  while (true) {
    bool all_done = true;
    outcomes.clear();
    for (Run& run : runs) {
      LocationOutcome outcome;
      outcome.name = run.location->name();
      ManagedLocation::View view = run.location->Look();
      // It was replaced meanwhile.
      if (view.generation != run.request.generation) run.request = run.location->Wake();
      // A status from before the request says nothing.
      const bool current = view.status.scan_requests >= run.request.scan;
      if (view.gone) {
        outcome.outcome = SyncOutcome::kHalted;
      } else if (current) {
        outcome.outcome = OutcomeOf(view.status, run.failures).value_or(SyncOutcome::kUnfinished);
      }
      outcome.status = std::move(view.status);
      all_done = all_done && outcome.outcome != SyncOutcome::kUnfinished;
      outcomes.push_back(std::move(outcome));
    }
    bool stopped = false;
    {
      absl::MutexLock lock(&mutex_);
      stopped = stopped_;
    }
    if (all_done || stopped || cancel.stop_requested() || clock_->Now() >= deadline) break;
    clock_->Sleep(std::min(kPoll, std::max(deadline - clock_->Now(), absl::ZeroDuration())));
  }
  absl::MutexLock lock(&mutex_);
  --runs_asked_for_;
  return outcomes;
}

absl::StatusOr<std::unique_ptr<SyncManager>> SyncManager::Create(SyncManagerOptions options,
                                                                 SyncManagerCallbacks callbacks,
                                                                 Clock* clock, Logger* log) {
  std::vector<SyncLocation> locations = std::move(options.locations);
  auto impl = std::make_unique<Impl>(std::move(options), std::move(callbacks), clock, log);
  for (SyncLocation& location : locations) FS_RETURN_IF_ERROR(impl->Add(std::move(location)));
  return std::unique_ptr<SyncManager>(new SyncManager(std::move(impl)));
}

SyncManager::SyncManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SyncManager::~SyncManager() = default;

void SyncManager::Start() { impl_->Start(); }
void SyncManager::Stop() { impl_->Stop(); }

std::vector<LocationOutcome> SyncManager::SyncAll(absl::Time deadline, std::stop_token cancel) {
  return impl_->SyncAll(deadline, cancel);
}

void SyncManager::Pause() {
  for (const LocationName& name : locations()) (void)SetPaused(name.directory, true);
}

void SyncManager::Resume() {
  for (const LocationName& name : locations()) (void)SetPaused(name.directory, false);
}

absl::Status SyncManager::SetPaused(const std::string& directory, bool paused) {
  return WithLocation(directory, [paused](LocationSync& sync) {
    sync.SetPaused(paused);
    return absl::OkStatus();
  });
}

std::vector<SyncStatus> SyncManager::statuses() const {
  std::vector<SyncStatus> statuses;
  for (const auto& location : impl_->All()) statuses.push_back(location->status());
  return statuses;
}

absl::StatusOr<SyncStatus> SyncManager::status(const std::string& directory) const {
  FS_ASSIGN_OR_RETURN(const auto location, impl_->Find(directory));
  return location->status();
}

std::vector<LocationName> SyncManager::locations() const {
  std::vector<LocationName> names;
  for (const auto& location : impl_->All()) names.push_back(location->name());
  return names;
}

void SyncManager::SetLimits(RateTimetable up, RateTimetable down) {
  impl_->SetLimits(std::move(up), std::move(down));
}

void SyncManager::SetTransfers(size_t at_once) { impl_->SetTransfers(at_once); }

absl::Status SyncManager::ReconfigureLocation(const LocationSyncOptions& options) {
  FS_ASSIGN_OR_RETURN(const auto location, impl_->Find(options.directory));
  return location->Reconfigure(options);
}

absl::Status SyncManager::SetSchedule(const std::string& directory,
                                      std::optional<CronSchedule> schedule) {
  FS_ASSIGN_OR_RETURN(const auto location, impl_->Find(directory));
  location->SetSchedule(schedule);
  return absl::OkStatus();
}

absl::Status SyncManager::AddLocation(SyncLocation location) {
  return impl_->Add(std::move(location));
}

absl::Status SyncManager::RemoveLocation(const std::string& directory) {
  return impl_->Remove(directory);
}

absl::Status SyncManager::ReplaceLocation(SyncLocation location) {
  return impl_->Replace(std::move(location));
}

absl::Status SyncManager::ConfirmHeld(const std::string& directory) {
  return WithLocation(directory, [](LocationSync& sync) {
    if (sync.status().held() == 0) return FailedPrecondition("nothing is held");
    sync.ConfirmHeld();
    return absl::OkStatus();
  });
}

absl::Status SyncManager::UndoHeld(const std::string& directory) {
  return WithLocation(directory, [](LocationSync& sync) {
    if (sync.status().held() == 0) return FailedPrecondition("nothing is held");
    sync.UndoHeld();
    return absl::OkStatus();
  });
}

absl::StatusOr<Filters::Explanation> SyncManager::ExplainIgnore(const std::string& directory,
                                                                const RelPath& path,
                                                                bool is_directory) const {
  Filters::Explanation explanation;
  FS_RETURN_IF_ERROR(WithLocation(directory, [&](LocationSync& sync) {
    explanation = sync.ExplainIgnore(path, is_directory);
    return absl::OkStatus();
  }));
  return explanation;
}

absl::Status SyncManager::WithLocation(
    const std::string& directory, const std::function<absl::Status(LocationSync&)>& use) const {
  FS_ASSIGN_OR_RETURN(const auto location, impl_->Find(directory));
  return location->With(use);
}

}  // namespace filesync
