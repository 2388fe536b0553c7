// One location's engine: how it begins, what it watches, and its step.

#include "agent/engine/location_sync.h"

#include <pthread.h>

#include <algorithm>

#include "agent/engine/agent_identity.h"
#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr char kArrivalsKey[] = "arrivals";
constexpr size_t kCongestedFrom = 200'000;
constexpr absl::Duration kHaltRecheck = absl::Seconds(2);
constexpr absl::Duration kStatusInterval = absl::Milliseconds(100);
// Between two statuses that tell no other state, while it works.
constexpr absl::Duration kStatusPause = absl::Milliseconds(20);
// How often what came and waits to be judged is looked at.
constexpr absl::Duration kGateInterval = absl::Milliseconds(100);
// How soon the trash's limits hold again after something was put there, and how often they are
// looked at otherwise, because what is there grows old.
constexpr absl::Duration kTrashAfterPut = absl::Seconds(10);
constexpr absl::Duration kTrashInterval = absl::Hours(1);

// What a mirror's destination loses, it gets back.
BrakeLimit LimitFor(const LocationSyncOptions& options) {
  const bool brakes = options.mode != Mode::kDestinationToSource;
  return brakes ? options.max_delete : *BrakeLimit::Parse("off");
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocationSync>> LocationSync::Create(LocationSyncOptions options,
                                                                   LocationParts parts,
                                                                   Clock* clock, Logger* log) {
  std::unique_ptr<LocationSync> sync(
      new LocationSync(std::move(options), std::move(parts), clock, log));
  FS_RETURN_IF_ERROR(sync->Begin());
  return sync;
}

LocationSync::LocationSync(LocationSyncOptions options, LocationParts parts, Clock* clock,
                           Logger* log)
    : options_(std::move(options)),
      directory_(std::move(parts.directory)),
      state_(std::move(parts.state)),
      link_(std::move(parts.link)),
      watches_(parts.watches),
      clock_(clock),
      log_(log),
      preparer_(directory_.get(), clock),
      filters_(directory_.get(), clock, log, options_.filters),
      pool_(
          std::make_unique<ThreadPool>("read", std::max(2u, std::thread::hardware_concurrency()))),
      up_lane_(std::make_unique<ThreadPool>("upload", 1)),
      large_up_lane_(std::make_unique<ThreadPool>("upload-large", 1)),
      down_lane_(std::make_unique<ThreadPool>("download", 1)),
      large_down_lane_(std::make_unique<ThreadPool>("download-lrg", 1)) {
  // Until the engine tells more.
  status_.directory = directory_->description();
  status_.folder = options_.folder;
  status_.server = options_.server;
  status_.agent_name = options_.agent_name;
  status_.mode = options_.mode;
  status_.state_text = std::string(SyncStateName(status_.state));
  context_.location = directory_.get();
  context_.state = state_.get();
  context_.link = link_.get();
  context_.clock = clock_;
  context_.log = log_;
  context_.pool = pool_.get();
  context_.preparer = &preparer_;
  context_.filters = &filters_;
  context_.agent_name = options_.agent_name;
  context_.mode = options_.mode;
  context_.policies = options_.policies;
  context_.compare = options_.compare;
  context_.zstd_level = options_.compression.zstd_level;
  context_.fetches = std::move(parts.fetches);
  context_.scan_subtree = [this](const RelPath& path) {
    if (observer_ != nullptr) observer_->RequestScan(path);
  };
  context_.winner_agreed = options_.losses_agreed;
  context_.scan_under_way = [this] {
    return !scanned_ || (observer_ != nullptr && observer_->Scanning());
  };
  context_.follower = &follower_;
  context_.check_root_for_deletions = [this] { return CheckRootForDeletions(); };
  incoming_ = std::make_unique<IncomingGate>(&context_, options_.max_delete,
                                             [this] { return Receiving(); });
  apply_ = std::make_unique<ApplyFlow>(&context_, incoming_.get(), down_lane_.get(),
                                       large_down_lane_.get());
  apply_->OnSliceStarted([this] {
    absl::MutexLock lock(&slices_mutex_);
    --slices_waiting_;
  });
  gate_ = std::make_unique<DeletionGate>(&context_, LimitFor(options_),
                                         [this] { return NothingElseUnderWay(); });
  commit_ = std::make_unique<CommitFlow>(&context_, apply_.get(), gate_.get(), incoming_.get(),
                                         up_lane_.get(), large_up_lane_.get());
}

void LocationSync::Reconfigure(LocationSyncOptions options) {
  context_.mailbox.Post([this, options = std::move(options)]() mutable {
    context_.policies = options.policies;
    context_.zstd_level = options.compression.zstd_level;
    context_.compare = options.compare;
    gate_->SetLimit(LimitFor(options));
    incoming_->SetLimit(options.max_delete);
    if (options.max_delete.off()) {
      if (absl::Status released = ReleaseHeldByBrake(); !released.ok()) context_.halt = released;
    }
    filters_.Replace(std::move(options.filters));
    apply_->early().DropAll();
    // Another policy may settle what is held.
    for (const auto& [path, failure] : context_.failures.all()) context_.Dirty(path);
  });
}

LocationSync::~LocationSync() {
  Stop();
  // The lanes and the pool finish what they have; what they post is not run any more.
  pool_.reset();
  up_lane_.reset();
  large_up_lane_.reset();
  down_lane_.reset();
  large_down_lane_.reset();
  // What has uploads under way ends before the link, and the link, whose reader posts to the
  // mailbox, before that.
  commit_.reset();
  gate_.reset();
  apply_.reset();
  link_.reset();
}

absl::Status LocationSync::Begin() {
  FS_RETURN_IF_ERROR(directory_->CleanUp());
  FS_RETURN_IF_ERROR(context_.held.Load(state_.get()));
  FS_RETURN_IF_ERROR(CheckStateBelongsHere());
  FS_RETURN_IF_ERROR(BeginWinner());
  FS_ASSIGN_OR_RETURN(const auto arrivals, state_->GetMeta(kArrivalsKey));
  context_.arrivals.Decode(arrivals.value_or(""));
  FS_RETURN_IF_ERROR(state_->SetMeta(kArrivalsKey, ""));
  // Who looks at a part has not looked at all that may be damaged.
  if (!options_.only.has_value()) FS_RETURN_IF_ERROR(host_stops_.Begin(state_.get()));
  context_.suspects_damage = host_stops_.suspects();
  if (options_.read_all) {
    FS_RETURN_IF_ERROR(state_->ForgetLooks(options_.only.value_or(RelPath())));
  }
  FS_ASSIGN_OR_RETURN(const Cursor cursor, state_->GetCursor());
  context_.incarnation = cursor.incarnation;
  FS_ASSIGN_OR_RETURN(const auto paused, state_->GetMeta(kPausedKey));
  paused_ = !options_.ignore_pause && paused.has_value() && !paused->empty();
  if (options_.only.has_value()) {
    context_.focus.Narrow(*options_.only, options_.with_subtree);
    if (options_.decision.has_value()) context_.decided[*options_.only] = *options_.decision;
    scanned_ = !options_.with_subtree;
  }
  // What was known and not applied when the agent stopped.
  std::optional<RelPath> after;
  while (true) {
    FS_ASSIGN_OR_RETURN(const std::vector<RelPath> page, state_->RemotePage(after, 1000));
    if (page.empty()) break;
    for (const RelPath& path : page) context_.Dirty(path);
    after = page.back();
  }
  FS_ASSIGN_OR_RETURN(const auto rules, state_->GetMeta(kFolderRulesKey));
  if (rules.has_value()) FS_RETURN_IF_ERROR(filters_.SetFolderRules(*rules));
  return state_->SetMeta("agent_name", options_.agent_name);
}

// The state lives with the data. When the data is another (a copied directory, a restored disk,
// a cloned machine) its bases prove nothing: they are dropped, and both sides are merged.
absl::Status LocationSync::CheckStateBelongsHere() {
  FS_ASSIGN_OR_RETURN(const auto root, state_->GetMeta("root"));
  FS_ASSIGN_OR_RETURN(const auto folder, state_->GetMeta("folder"));
  const std::string here = RootKey(directory_->identity());
  const bool is_same = !root.has_value() || IsKeyOf(*root, directory_->identity());
  FS_ASSIGN_OR_RETURN(const auto id, state_->GetMeta("agent_id"));
  if (!is_same) {
    // The other one may still be there, and go by that id.
    FS_RETURN_IF_ERROR(BecomeNewAgent());
    FS_RETURN_IF_ERROR(StartOver("this directory is not the one its state was made for"));
  } else {
    // A directory whose state is new is the same agent as before.
    context_.agent_id = id.has_value() ? *id : ReadAgentId(*directory_);
    if (folder.has_value() && *folder != options_.folder) {
      FS_RETURN_IF_ERROR(StartOver("it was in step with another folder before"));
    }
  }
  FS_RETURN_IF_ERROR(state_->SetMeta("root", here));
  FS_RETURN_IF_ERROR(state_->SetMeta("agent_id", context_.agent_id));
  NoteId();
  return absl::OkStatus();
}

absl::Status LocationSync::BecomeNewAgent() {
  context_.agent_id = NewAgentId();
  FS_RETURN_IF_ERROR(state_->SetMeta("agent_id", context_.agent_id));
  NoteId();
  return absl::OkStatus();
}

// It is in the state, too: a disk without room for the note is no reason to stop.
void LocationSync::NoteId() {
  if (const absl::Status noted = NoteAgentId(*directory_, context_.agent_id); !noted.ok()) {
    log_->Warn("{}: its agent's id is not noted: {}", directory_->description(), Describe(noted));
  }
}

absl::Status LocationSync::StartOver(std::string_view why) {
  log_->Warn("{}: {}; both sides are compared anew, and nothing is deleted",
             directory_->description(), why);
  last_error_ = std::string(why);
  last_error_at_ = clock_->Now();
  State::Transaction transaction(state_.get());
  FS_RETURN_IF_ERROR(state_->DropAllBases());
  FS_RETURN_IF_ERROR(state_->DropAllRemotes());
  FS_RETURN_IF_ERROR(context_.held.Clear());
  FS_RETURN_IF_ERROR(state_->SetMeta(kFirstSyncKey, kFirstSyncDone));
  context_.winner = Winner::kNone;
  context_.winner_all = false;
  FS_RETURN_IF_ERROR(state_->SetCursor(Cursor()));
  FS_RETURN_IF_ERROR(state_->DropPendingBatches());
  return transaction.Commit();
}

void LocationSync::OnEvent(std::function<void(const SyncEvent&)> callback) {
  context_.on_event = std::move(callback);
}

void LocationSync::OnPropagation(std::function<void(absl::Duration)> callback) {
  context_.on_propagation = std::move(callback);
}

void LocationSync::OnStatus(std::function<void(const SyncStatus&)> callback) {
  on_status_ = std::move(callback);
}

uint64_t LocationSync::RequestScan() {
  const uint64_t number = ++scans_asked_for_;
  context_.mailbox.Post([this, number] {
    // The first scan is about to be asked for.
    if (next_rescan_ > absl::InfinitePast()) RequestFullScan();
    next_connect_ = absl::InfinitePast();
    scan_requests_ = std::max(scan_requests_, number);
    PublishStatus();
  });
  return number;
}

void LocationSync::Start() {
  if (LooksAtOnePath()) {
    StartEngine();
    return;
  }
  absl::StatusOr<std::unique_ptr<Watcher>> watcher = std::unique_ptr<Watcher>();
  const bool follows = watches_ && !options_.step_by_step && !options_.only.has_value();
  if (follows) watcher = directory_->NewWatcher();
  if (!watcher.ok()) {
    log_->Warn("{}: changes are found by scanning only: {}", directory_->description(),
               Describe(watcher.status()));
    watcher = std::unique_ptr<Watcher>();
  }
  observer_ = std::make_unique<Observer>(&context_, *std::move(watcher), MakeObserverEvents());
  StartEngine();
}

void LocationSync::StartEngine() {
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
  if (!thread_.joinable()) return;
  thread_.join();
  observer_.reset();
  // Then the next one has to know, as if this one had died.
  if (context_.unrecorded) return;
  if (const absl::Status ended = host_stops_.End(); !ended.ok()) {
    log_->Warn("{}: {}", directory_->description(), Describe(ended));
  }
}

void LocationSync::MaybeLimitTrash() {
  const uint64_t puts = directory_->TrashPuts();
  const absl::Duration interval = puts == trash_puts_ ? kTrashInterval : kTrashAfterPut;
  const absl::Time now = clock_->Now();
  if (now - trash_checked_ < interval) return;
  trash_checked_ = now;
  trash_puts_ = puts;
  // Large files take a while to delete.
  pool_->Schedule([this] {
    const absl::StatusOr<TrashRemoved> removed = directory_->LimitTrash(options_.trash);
    if (!removed.ok()) {
      log_->Warn("{}: cannot look at the trash: {}", directory_->description(),
                 Describe(removed.status()));
    } else if (removed->files > 0) {
      log_->Info("{}: removed {} files ({} bytes) from the trash, beyond its limits",
                 directory_->description(), removed->files, removed->bytes);
    }
  });
}

// Whether `directory` holds anything that is synced and did not just arrive.
absl::StatusOr<bool> LocationSync::AnythingStands(const RelPath& directory) {
  FS_ASSIGN_OR_RETURN(const Listing listing, directory_->List(directory));
  if (!listing.skipped.empty()) return true;
  for (const LocalEntry& entry : listing.entries) {
    const bool is_directory = entry.type == LocalType::kDirectory;
    if (filters_.Ignores(entry.path, is_directory)) continue;
    if (!context_.arrivals.Contains(entry.path)) return true;
    if (!is_directory) continue;
    FS_ASSIGN_OR_RETURN(const bool below, AnythingStands(entry.path));
    if (below) return true;
  }
  return false;
}

// Whether what is missing may be taken for deleted. Looked at again only every little while, as
// it is asked for each path.
absl::Status LocationSync::CheckRootForDeletions() {
  const absl::Time now = clock_->Now();
  if (now - root_checked_ < absl::Milliseconds(50)) return root_check_;
  root_checked_ = now;
  root_check_ = directory_->CheckRoot();
  if (!root_check_.ok()) return root_check_;
  const absl::StatusOr<bool> stands = AnythingStands(RelPath());
  if (!stands.ok()) return root_check_ = stands.status();
  if (*stands) return root_check_;
  const absl::StatusOr<BaseCounts> counts = state_->CountBase();
  if (!counts.ok()) return root_check_ = counts.status();
  if (counts->entries > context_.arrivals.size() + 1) {
    // So that an agent that is started anew does not take what arrived for what stood here.
    FS_RETURN_IF_ERROR(state_->SetMeta(kArrivalsKey, context_.arrivals.Encode()));
    root_check_ = FailedPrecondition(
        "{} was emptied, and the folder holds {} entries: nothing is deleted elsewhere; put the "
        "files back, or stop the agent and remove {}/{} to fetch them all again",
        directory_->description(), counts->entries, directory_->description(), kStateDirectoryName);
  }
  return root_check_;
}

// No new name is on its way that a missing path may have moved to.
bool LocationSync::NothingElseUnderWay() const {
  if (!scanned_ || (observer_ != nullptr && observer_->Scanning())) return false;
  // The path that is asked for is in flight itself.
  return apply_->Idle() && commit_->Idle() && context_.in_flight.size() <= 1 &&
         context_.dirty.size() <= gate_->missing() + context_.failures.size();
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
  RequestFullScan();
  // What was received and could not be recorded comes again.
  link_->Disconnect();
}

void LocationSync::ForgetLost() {
  const absl::StatusOr<bool> any = state_->HasLost();
  if (any.ok() && !*any) return;
  const absl::StatusOr<std::vector<RelPath>> paths = state_->DropLost();
  if (!paths.ok()) {
    context_.halt = paths.status();
    return;
  }
  for (const RelPath& path : *paths) context_.Dirty(path);
}

// Step by step, what is received waits for the scans; unless these wait for it.
bool LocationSync::Looking() const {
  return options_.step_by_step && context_.dirty.size() <= kCongestedFrom &&
         (!scanned_ || (observer_ != nullptr && observer_->Scanning()));
}

bool LocationSync::WorkFlows() {
  if (Looking()) return false;
  bool moved = apply_->Step();
  bool may_commit = !options_.step_by_step || apply_->SlicesDone();
  if (hold_local_until_ > 0) {
    const absl::StatusOr<Cursor> cursor = state_->GetCursor();
    const bool through = cursor.ok() && cursor->version >= hold_local_until_;
    if (through) {
      hold_local_until_ = 0;
      ForgetLost();
    }
    may_commit = may_commit && through;
  }
  if (may_commit) moved = commit_->Step() || moved;
  MaybeEndWinner();
  MaybeEndSuspicion();
  MaybeCaughtUp();
  if (context_.dirty.empty() && gate_->missing() == 0 && NothingElseUnderWay()) {
    context_.arrivals.Settle(clock_->Now());
  }
  return moved;
}

void LocationSync::Step(absl::Duration wait) {
  bool moved = context_.mailbox.RunAll() > 0;
  if (!context_.halt.ok()) {
    HandleHalt();
  } else {
    MaybeConnect();
    MaybeRescan();
    MaybeLimitTrash();
    apply_->early().Tick();
    HandleRuleChanges();
    moved = WorkFlows() || moved;
    ReportConflicts();
  }
  if (observer_ != nullptr) observer_->SetCongested(context_.dirty.size() > kCongestedFrom);
  const absl::Duration since = clock_->Now() - status_published_;
  const bool just_told = since >= absl::ZeroDuration() && since < kStatusPause;
  if (!moved && just_told && StillBusy()) {
    wait = std::min(wait, kStatusPause - since);
  } else if (!moved || since < absl::ZeroDuration() || since >= kStatusInterval) {
    PublishStatus();
  }
  if (!moved) context_.mailbox.Wait(UntilNext(wait));
}

absl::Duration LocationSync::UntilNext(absl::Duration most) const {
  const absl::Time now = clock_->Now();
  absl::Time next = now + most;
  if (context_.halt.ok()) {
    if (connection_ == Connection::kIdle) next = std::min(next, next_connect_);
    next = std::min(next, reporter_.NextTime());
    if (context_.welcome.has_value() && !commit_->Resolving() && hold_local_until_ == 0 &&
        !Looking()) {
      next = std::min(next, context_.dirty.NextTime());
      if (incoming_->Busy() || gate_->HasReplacements()) next = std::min(next, now + kGateInterval);
    }
  }
  return std::max(next - now, absl::Milliseconds(1));
}

}  // namespace filesync
