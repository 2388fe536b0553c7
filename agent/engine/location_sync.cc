#include "agent/engine/location_sync.h"

#include <pthread.h>

#include <algorithm>
#include <random>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kSlicesInQueue = 4;
constexpr size_t kCongestedFrom = 200'000;
constexpr absl::Duration kShortestBackoff = absl::Milliseconds(500);
constexpr absl::Duration kLongestBackoff = absl::Seconds(60);
constexpr absl::Duration kLimitedRescan = absl::Seconds(15);
constexpr absl::Duration kHaltRecheck = absl::Seconds(2);
constexpr absl::Duration kStatusInterval = absl::Milliseconds(100);
constexpr absl::Duration kCountInterval = absl::Seconds(1);
constexpr absl::Duration kModifyingDelay = absl::Milliseconds(200);
constexpr int kSettledAttempts = 3;
constexpr size_t kPathsInStatus = 100;
constexpr char kStateFile[] = "/state.db";

// Uniform in [0, 1).
double Random() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>()(generator);
}

std::string RootKey(const RootIdentity& identity) {
  std::string key = identity.root_id;
  AppendBigEndian64(key, identity.device);
  AppendBigEndian64(key, identity.inode);
  return key;
}

// A state file that is damaged is set aside, and all of it found again by a merge.
absl::StatusOr<std::unique_ptr<State>> OpenState(const std::string& path, Clock& clock,
                                                 Logger& log) {
  absl::StatusOr<std::unique_ptr<State>> state = State::Open(path);
  if (!absl::IsDataLoss(state.status())) return state;
  FS_ASSIGN_OR_RETURN(
      const std::string aside,
      SetFileAside(path, {"-wal", "-shm"}, absl::ToUnixSeconds(clock.Now())));
  log.Warn("{}; it was set aside, and both sides are compared anew", Describe(state.status()));
  return State::Open(path);
}

}  // namespace

std::string_view SyncStateName(SyncState state) {
  switch (state) {
    case SyncState::kScanning:
      return "scanning";
    case SyncState::kSyncing:
      return "syncing";
    case SyncState::kInSync:
      return "in sync";
    case SyncState::kIncomplete:
      return "incomplete";
    case SyncState::kOffline:
      return "offline";
    case SyncState::kHalted:
      return "halted";
  }
  return "unknown";
}

absl::StatusOr<std::unique_ptr<LocationSync>> LocationSync::Create(
    LocationSyncOptions options, std::unique_ptr<ServerLink> link, Clock* clock, Logger* log) {
  FS_ASSIGN_OR_RETURN(std::unique_ptr<LocalDirectory> directory,
                      LocalDirectory::Open(options.directory, clock));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<State> state,
                      OpenState(directory->StateDirectoryPath() + kStateFile, *clock, *log));
  std::unique_ptr<LocationSync> sync(new LocationSync(std::move(options), std::move(directory),
                                                      std::move(state), std::move(link), clock,
                                                      log));
  FS_RETURN_IF_ERROR(sync->Begin());
  return sync;
}

LocationSync::LocationSync(LocationSyncOptions options, std::unique_ptr<LocalDirectory> directory,
                           std::unique_ptr<State> state, std::unique_ptr<ServerLink> link,
                           Clock* clock, Logger* log)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      state_(std::move(state)),
      link_(std::move(link)),
      clock_(clock),
      log_(log),
      preparer_(directory_.get(), clock),
      pool_(std::make_unique<ThreadPool>("read", std::max(2u, std::thread::hardware_concurrency()))),
      up_lane_(std::make_unique<ThreadPool>("upload", 1)),
      large_up_lane_(std::make_unique<ThreadPool>("upload-large", 1)),
      down_lane_(std::make_unique<ThreadPool>("download", 1)),
      large_down_lane_(std::make_unique<ThreadPool>("download-lrg", 1)) {
  context_.location = directory_.get();
  context_.state = state_.get();
  context_.link = link_.get();
  context_.clock = clock_;
  context_.log = log_;
  context_.pool = pool_.get();
  context_.preparer = &preparer_;
  context_.agent_name = options_.agent_name;
  context_.scan_subtree = [this](const RelPath& path) {
    if (observer_ != nullptr) observer_->RequestScan(path);
  };
  context_.check_root_for_deletions = [this] { return CheckRootForDeletions(); };
  apply_ = std::make_unique<ApplyFlow>(&context_, down_lane_.get(), large_down_lane_.get());
  apply_->OnSliceStarted([this] {
    absl::MutexLock lock(&slices_mutex_);
    --slices_waiting_;
  });
  commit_ = std::make_unique<CommitFlow>(&context_, apply_.get(), up_lane_.get(),
                                         large_up_lane_.get());
}

LocationSync::~LocationSync() {
  Stop();
  // The lanes and the pool finish what they have; what they post is not run any more.
  pool_.reset();
  up_lane_.reset();
  large_up_lane_.reset();
  down_lane_.reset();
  large_down_lane_.reset();
}

absl::Status LocationSync::Begin() {
  FS_RETURN_IF_ERROR(directory_->CleanUp(options_.trash_age));
  FS_RETURN_IF_ERROR(CheckStateBelongsHere());
  FS_ASSIGN_OR_RETURN(const Cursor cursor, state_->GetCursor());
  context_.incarnation = cursor.incarnation;
  // What was known and not applied when the agent stopped.
  std::optional<RelPath> after;
  while (true) {
    FS_ASSIGN_OR_RETURN(const std::vector<RelPath> page, state_->RemotePage(after, 1000));
    if (page.empty()) break;
    for (const RelPath& path : page) context_.Dirty(path);
    after = page.back();
  }
  FS_RETURN_IF_ERROR(state_->SetMeta("folder", options_.folder));
  FS_RETURN_IF_ERROR(state_->SetMeta("server", options_.server));
  return state_->SetMeta("agent_name", options_.agent_name);
}

// The state lives with the data. When the data is another (a copied directory, a restored disk,
// a cloned machine) its bases prove nothing: they are dropped, and both sides are merged.
absl::Status LocationSync::CheckStateBelongsHere() {
  FS_ASSIGN_OR_RETURN(const auto root, state_->GetMeta("root"));
  FS_ASSIGN_OR_RETURN(const auto folder, state_->GetMeta("folder"));
  const std::string here = RootKey(directory_->identity());
  if (root.has_value() && *root != here) {
    FS_RETURN_IF_ERROR(StartOver("this directory is not the one its state was made for"));
  } else if (folder.has_value() && *folder != options_.folder) {
    FS_RETURN_IF_ERROR(StartOver("it was in step with another folder before"));
  }
  FS_RETURN_IF_ERROR(state_->SetMeta("root", here));
  FS_ASSIGN_OR_RETURN(const auto id, state_->GetMeta("agent_id"));
  context_.agent_id = id.has_value() ? *id : RandomBytes(16);
  return state_->SetMeta("agent_id", context_.agent_id);
}

absl::Status LocationSync::StartOver(std::string_view why) {
  log_->Warn("{}: {}; both sides are compared anew, and nothing is deleted",
             directory_->description(), why);
  last_error_ = std::string(why);
  last_error_at_ = clock_->Now();
  State::Transaction transaction(state_.get());
  FS_RETURN_IF_ERROR(state_->DropAllBases());
  FS_RETURN_IF_ERROR(state_->DropAllRemotes());
  FS_RETURN_IF_ERROR(state_->SetCursor(Cursor()));
  FS_RETURN_IF_ERROR(state_->DropPendingBatches());
  context_.agent_id = RandomBytes(16);
  FS_RETURN_IF_ERROR(state_->SetMeta("agent_id", context_.agent_id));
  return transaction.Commit();
}

void LocationSync::OnEvent(std::function<void(const SyncEvent&)> callback) {
  context_.on_event = std::move(callback);
}

void LocationSync::OnPropagation(std::function<void(absl::Duration)> callback) {
  context_.on_propagation = std::move(callback);
}

void LocationSync::Start() {
  absl::StatusOr<std::unique_ptr<Watcher>> watcher = directory_->NewWatcher();
  if (!watcher.ok()) {
    log_->Warn("{}: changes are found by scanning only: {}", directory_->description(),
               Describe(watcher.status()));
    watcher = std::unique_ptr<Watcher>();
  }
  observer_ = std::make_unique<Observer>(&context_, *std::move(watcher), MakeObserverEvents());
  PublishStatus();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "engine");
    while (!stopping_) Step(absl::Seconds(1));
  });
}

void LocationSync::Stop() {
  if (stopping_.exchange(true)) return;
  {
    absl::MutexLock lock(&slices_mutex_);
    accepting_ = false;
  }
  link_->Shutdown();
  context_.mailbox.Post([] {});
  if (thread_.joinable()) thread_.join();
  observer_.reset();
}

ObserverEvents LocationSync::MakeObserverEvents() {
  ObserverEvents events;
  events.on_candidates = [this](std::vector<RelPath> paths) {
    for (const RelPath& path : paths) context_.Dirty(path);
  };
  events.on_missing = [this](std::vector<RelPath> paths) {
    for (const RelPath& path : paths) context_.Dirty(path);
  };
  events.on_unknown = [this](const RelPath& directory, const absl::Status& why) {
    if (absl::IsNotFound(why)) {
      context_.Dirty(directory);
    } else {
      context_.Fail(directory, why);
      context_.unknown.insert(directory);
    }
  };
  events.on_skipped = [this](const std::string& what) {
    if (context_.skipped.insert(what).second) log_->Info("skipped {}", what);
  };
  events.on_watch = [this](std::vector<WatchEvent> watched) { HandleWatch(watched); };
  events.on_scanned = [this](const RelPath& directory, const absl::Status& status,
                             absl::Duration took) {
    const bool full = directory.IsRoot();
    if (!status.ok() && !absl::IsCancelled(status)) {
      if (absl::Status root = directory_->CheckRoot(); !root.ok()) {
        context_.halt = root;
      } else if (full) {
        context_.halt = Annotate(status, "cannot scan");
      }
    }
    if (status.ok() && !context_.unknown.contains(directory)) {
      context_.failures.Clear(directory);
    }
    if (!full) return;
    scanned_ = scanned_ || status.ok();
    ++context_.stats.scans;
    context_.stats.scan_seconds = absl::ToDoubleSeconds(took);
  };
  return events;
}

void LocationSync::HandleWatch(const std::vector<WatchEvent>& events) {
  for (const WatchEvent& event : events) {
    switch (event.kind) {
      case WatchEvent::Kind::kChanged:
        context_.Dirty(event.path);
        break;
      case WatchEvent::Kind::kModifying:
        context_.DirtyAfter(event.path, kModifyingDelay);
        break;
      case WatchEvent::Kind::kDirectory:
        if (!event.path.IsRoot()) context_.Dirty(event.path);
        observer_->RequestScan(event.path);
        break;
      case WatchEvent::Kind::kOverflow:
        log_->Warn("{}: too much changed at once to be followed; scanning everything",
                   directory_->description());
        observer_->RequestFullScan();
        break;
      case WatchEvent::Kind::kRootGone:
        if (absl::Status root = directory_->CheckRoot(); !root.ok()) context_.halt = root;
        break;
    }
  }
}

void LocationSync::OnWelcome(WelcomeInfo welcome) {
  context_.mailbox.Post([this, welcome = std::move(welcome)] { HandleWelcome(welcome); });
}

void LocationSync::OnChanges(RemoteSlice slice) {
  absl::MutexLock lock(&slices_mutex_);
  ++slices_waiting_;
  context_.mailbox.Post(
      [this, slice = std::move(slice)]() mutable { apply_->AddSlice(std::move(slice)); });
  auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(slices_mutex_) {
    return slices_waiting_ < kSlicesInQueue || !accepting_;
  };
  slices_mutex_.Await(absl::Condition(&room));
}

void LocationSync::OnCommitResult(uint64_t batch, CommitResult result, std::string failure) {
  context_.mailbox.Post([this, batch, result = std::move(result),
                         failure = std::move(failure)]() mutable {
    commit_->OnCommitResult(batch, std::move(result), failure);
    if (!commit_->Resolving()) apply_->SetStashing(false);
  });
}

void LocationSync::OnGoingAway(absl::Duration reconnect_after) {
  context_.mailbox.Post([this, reconnect_after] {
    log_->Info("the server is stopping; coming back in {}",
               absl::FormatDuration(reconnect_after));
    asked_to_wait_ = reconnect_after;
  });
}

void LocationSync::OnClosed(absl::Status status) {
  context_.mailbox.Post([this, status = std::move(status)] { HandleClosed(status); });
}

void LocationSync::HandleWelcome(const WelcomeInfo& welcome) {
  connection_ = Connection::kOpen;
  if (absl::Status taken = TakeWelcome(welcome); !taken.ok()) {
    last_error_ = std::string(ToStd(taken.message()));
    last_error_at_ = clock_->Now();
    log_->Warn("{}", Describe(taken));
    link_->Disconnect();
    return;
  }
  failures_in_a_row_ = 0;
  ever_connected_ = true;
  log_->Info("connected to {}, folder '{}'", options_.server, options_.folder);
}

absl::Status LocationSync::TakeWelcome(const WelcomeInfo& welcome) {
  FS_ASSIGN_OR_RETURN(const uint64_t last_batch, state_->LastBatchNumber());
  if (welcome.last_batch > last_batch) {
    // The server has seen more of this agent than its state knows: the state is an old copy.
    FS_RETURN_IF_ERROR(StartOver("its state is older than what the server knows of this agent"));
    observer_->RequestFullScan();
    return Unavailable("connecting again as a new agent");
  }
  FS_ASSIGN_OR_RETURN(Cursor cursor, state_->GetCursor());
  const std::string current = welcome.incarnations.back().id;
  if (!welcome.cursor_known) {
    FS_RETURN_IF_ERROR(DropLostTail(welcome));
    cursor = Cursor();
    observer_->RequestFullScan();
  }
  FS_RETURN_IF_ERROR(state_->SetIncarnations(welcome.incarnations));
  context_.incarnation = current;
  context_.head_version = welcome.head_version;
  hold_local_until_ = cursor.incarnation.empty() ? welcome.head_version : 0;
  context_.welcome = welcome;
  {
    absl::MutexLock lock(&slices_mutex_);
    accepting_ = true;
  }
  FS_RETURN_IF_ERROR(commit_->Resend());
  apply_->SetStashing(commit_->Resolving());
  return absl::OkStatus();
}

// The server went back to before what this agent had agreed on with it. The bases of what it
// lost go; everything it still knows comes again from the start, as in a first sync. Nothing is
// deleted because the server forgot.
absl::Status LocationSync::DropLostTail(const WelcomeInfo& welcome) {
  State::Transaction transaction(state_.get());
  FS_ASSIGN_OR_RETURN(
      const uint64_t dropped,
      state_->DropBases([&](const std::string& incarnation, uint64_t version) {
        for (size_t i = 0; i < welcome.incarnations.size(); ++i) {
          if (welcome.incarnations[i].id != incarnation) continue;
          return i + 1 == welcome.incarnations.size()
                     ? version <= welcome.head_version
                     : version < welcome.incarnations[i + 1].first_version;
        }
        return false;
      }));
  FS_RETURN_IF_ERROR(state_->DropAllRemotes());
  FS_RETURN_IF_ERROR(state_->SetCursor(Cursor()));
  FS_RETURN_IF_ERROR(state_->DropPendingBatches());
  FS_RETURN_IF_ERROR(transaction.Commit());
  last_error_ = "the server lost a part of its history; both sides are compared anew";
  last_error_at_ = clock_->Now();
  log_->Warn("{}: {} ({} entries), and nothing is deleted", directory_->description(), last_error_,
             dropped);
  return absl::OkStatus();
}

void LocationSync::HandleClosed(const absl::Status& status) {
  const bool was_open = context_.welcome.has_value();
  connection_ = Connection::kIdle;
  context_.welcome.reset();
  commit_->OnClosed();
  apply_->DropSlices();
  {
    absl::MutexLock lock(&slices_mutex_);
    slices_waiting_ = 0;
  }
  if (was_open) ++context_.stats.reconnects;
  if (absl::IsInvalidArgument(status)) {
    // A batch that the server can't read would end every stream: its paths are decided anew.
    const absl::Status dropped = commit_->DropPending();
    if (!dropped.ok()) context_.halt = dropped;
  }
  // Full jitter, the first try included: agents that lost the same server do not come back all
  // at once.
  const absl::Duration cap =
      std::min(kLongestBackoff, kShortestBackoff * (1 << std::min(failures_in_a_row_, 10)));
  const absl::Duration wait = asked_to_wait_.value_or(cap * Random());
  asked_to_wait_.reset();
  ++failures_in_a_row_;
  next_connect_ = clock_->Now() + wait;
  last_error_ = Describe(status);
  last_error_at_ = clock_->Now();
  if (stopping_) return;
  if (was_open || failures_in_a_row_ == 1) {
    log_->Warn("offline: {}: {}; changes are kept and sent later", options_.server,
               ToStd(status.message()));
  }
}

void LocationSync::MaybeConnect() {
  if (connection_ != Connection::kIdle || clock_->Now() < next_connect_) return;
  absl::StatusOr<Cursor> cursor = state_->GetCursor();
  if (!cursor.ok()) {
    context_.halt = cursor.status();
    return;
  }
  connection_ = Connection::kConnecting;
  {
    absl::MutexLock lock(&slices_mutex_);
    accepting_ = !stopping_;
  }
  link_->Connect({context_.agent_id, options_.agent_name, options_.folder, *cursor}, this);
}

void LocationSync::MaybeRescan() {
  const absl::Time now = clock_->Now();
  if (now < next_rescan_ || observer_ == nullptr) return;
  const absl::Duration interval =
      observer_->WatchLimited() ? kLimitedRescan : options_.rescan_interval;
  next_rescan_ = now + interval * (0.75 + 0.5 * Random());
  observer_->RequestFullScan();
}

// Whether what is missing may be taken for deleted. Looked at again only every little while, as
// it is asked for each path.
absl::Status LocationSync::CheckRootForDeletions() {
  const absl::Time now = clock_->Now();
  if (now - root_checked_ < absl::Milliseconds(50)) return root_check_;
  root_checked_ = now;
  root_check_ = directory_->CheckRoot();
  if (!root_check_.ok()) return root_check_;
  const absl::StatusOr<Listing> listing = directory_->List(RelPath());
  if (!listing.ok()) return root_check_ = listing.status();
  if (!listing->entries.empty() || !listing->skipped.empty()) return root_check_;
  const absl::StatusOr<BaseCounts> counts = state_->CountBase();
  if (!counts.ok()) return root_check_ = counts.status();
  if (counts->entries > 1) {
    root_check_ = FailedPrecondition(
        "{} was emptied, and the folder holds {} entries: nothing is deleted elsewhere; put the "
        "files back, or stop the agent and remove {}/{} to fetch them all again",
        directory_->description(), counts->entries, directory_->description(),
        kStateDirectoryName);
  }
  return root_check_;
}

// Halted: nothing is decided until the reason is gone.
void LocationSync::HandleHalt() {
  const absl::Time now = clock_->Now();
  const std::string reason(ToStd(context_.halt.message()));
  if (last_error_ != reason) {
    last_error_ = reason;
    last_error_at_ = now;
    log_->Error("halted: {}", reason);
    halt_checked_ = now;
  }
  if (now - halt_checked_ < kHaltRecheck) return;
  halt_checked_ = now;
  root_checked_ = absl::InfinitePast();
  if (!CheckRootForDeletions().ok()) return;
  log_->Info("{} is as it was; going on", directory_->description());
  context_.halt = absl::OkStatus();
  observer_->RequestFullScan();
  // What was received and could not be recorded comes again.
  link_->Disconnect();
}

bool LocationSync::WorkFlows() {
  bool moved = apply_->Step();
  bool may_commit = true;
  if (hold_local_until_ > 0) {
    const absl::StatusOr<Cursor> cursor = state_->GetCursor();
    may_commit = cursor.ok() && cursor->version >= hold_local_until_;
    if (may_commit) hold_local_until_ = 0;
  }
  if (may_commit) moved = commit_->Step() || moved;
  return moved;
}

void LocationSync::Step(absl::Duration wait) {
  bool moved = context_.mailbox.RunAll() > 0;
  if (!context_.halt.ok()) {
    HandleHalt();
  } else {
    MaybeConnect();
    MaybeRescan();
    moved = WorkFlows() || moved;
  }
  if (observer_ != nullptr) observer_->SetCongested(context_.dirty.size() > kCongestedFrom);
  if (!moved || clock_->Now() - status_published_ >= kStatusInterval) PublishStatus();
  if (!moved) context_.mailbox.Wait(UntilNext(wait));
}

absl::Duration LocationSync::UntilNext(absl::Duration most) const {
  const absl::Time now = clock_->Now();
  absl::Time next = now + most;
  if (context_.halt.ok()) {
    if (connection_ == Connection::kIdle) next = std::min(next, next_connect_);
    if (context_.welcome.has_value() && !commit_->Resolving() && hold_local_until_ == 0) {
      next = std::min(next, context_.dirty.NextTime());
    }
  }
  return std::max(next - now, absl::Milliseconds(1));
}

SyncState LocationSync::DeriveState(uint64_t remote_rows, const Cursor& cursor) const {
  if (!context_.halt.ok()) return SyncState::kHalted;
  if (!context_.welcome.has_value()) return SyncState::kOffline;
  if (!scanned_ || (observer_ != nullptr && observer_->Scanning())) return SyncState::kScanning;
  const bool quiet = apply_->Idle() && commit_->Idle() && context_.in_flight.size() == 0 &&
                     cursor.version >= context_.head_version && hold_local_until_ == 0;
  if (!quiet) return SyncState::kSyncing;
  // What failed waits in the queue for another try, and its remote rows with it.
  if (context_.failures.size() > 0) {
    return context_.dirty.size() <= context_.failures.size() ? SyncState::kIncomplete
                                                              : SyncState::kSyncing;
  }
  return context_.dirty.empty() && remote_rows == 0 ? SyncState::kInSync : SyncState::kSyncing;
}

void LocationSync::PublishStatus() {
  const absl::Time now = clock_->Now();
  status_published_ = now;
  SyncStatus status;
  const absl::StatusOr<uint64_t> remote_rows = state_->CountRemote();
  const absl::StatusOr<Cursor> cursor = state_->GetCursor();
  if (now - counted_ >= kCountInterval) {
    if (const absl::StatusOr<BaseCounts> counts = state_->CountBase(); counts.ok()) {
      counts_ = *counts;
    }
    counted_ = now;
  }
  status.directory = directory_->description();
  status.folder = options_.folder;
  status.server = options_.server;
  status.agent_id = HexEncode(context_.agent_id);
  status.agent_name = options_.agent_name;
  status.pending_remote = remote_rows.value_or(0) + apply_->waiting_slices();
  status.applied_version = cursor.ok() ? cursor->version : 0;
  status.state = DeriveState(status.pending_remote, cursor.value_or(Cursor()));
  status.state_text = std::string(SyncStateName(status.state));
  if (status.state == SyncState::kHalted) {
    status.state_text += ": " + std::string(ToStd(context_.halt.message()));
  } else if (status.state == SyncState::kOffline) {
    const int64_t seconds =
        std::max<int64_t>(0, absl::ToInt64Seconds(absl::Ceil(next_connect_ - now, absl::Seconds(1))));
    status.state_text += connection_ == Connection::kConnecting
                             ? " (connecting)"
                             : fmt::format(" (retry in {} s)", seconds);
  } else if (status.state == SyncState::kIncomplete) {
    status.state_text +=
        fmt::format(": {} paths could not be synced", context_.failures.size());
  }
  status.ever_connected = ever_connected_;
  status.connection_failures = static_cast<uint64_t>(failures_in_a_row_);
  status.entries = counts_.entries;
  status.bytes = counts_.bytes;
  status.pending_local = context_.dirty.size() + context_.in_flight.size();
  for (const RelPath& path : context_.dirty.Some(kPathsInStatus)) {
    status.pending_paths.push_back(path.ForPeople());
  }
  for (const auto& [path, failure] : context_.failures.all()) {
    if (failure.attempts >= kSettledAttempts) ++status.settled_failures;
    if (status.failed_paths.size() == kPathsInStatus) continue;
    status.failed_paths.push_back({path.ForPeople(), failure.reason, failure.attempts});
  }
  status.failed_count = context_.failures.size();
  status.last_error = last_error_;
  status.last_error_at = last_error_at_;
  status.head_version = context_.head_version;
  status.conflicts = context_.stats.conflicts;
  status.commits = context_.stats.commits;
  status.scans = context_.stats.scans;
  status.scan_seconds = context_.stats.scan_seconds;
  status.reconnects = context_.stats.reconnects;
  status.bytes_hashed = preparer_.BytesHashed();
  status.bytes_sent = link_->BytesSent();
  status.bytes_received = link_->BytesReceived();
  status.bytes_saved = context_.stats.bytes_saved;
  status.bytes_to_move = context_.stats.bytes_to_move;
  status.bytes_moved = context_.stats.bytes_moved;
  absl::MutexLock lock(&status_mutex_);
  status_ = std::move(status);
}

SyncStatus LocationSync::status() const {
  absl::MutexLock lock(&status_mutex_);
  return status_;
}

}  // namespace filesync
