// LocationSync: one location kept in step with one folder: the engine's composition and its
// thread. `Step()` does whatever can be done now, so tests and the simulation can drive it.
//
// Threads it starts: its own (Start), the watcher's and the scans' (Observer), the link's
// reader, a pool that reads files, and four lanes (uploads, large uploads, downloads, large
// downloads). Only its own thread decides, installs and writes the state.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/apply_flow.h"
#include "agent/engine/binding.h"
#include "agent/engine/commit_flow.h"
#include "agent/engine/conflict_reporter.h"
#include "agent/engine/engine_context.h"
#include "agent/engine/host_stops.h"
#include "agent/engine/location_options.h"
#include "agent/engine/location_parts.h"
#include "agent/engine/observer.h"
#include "agent/engine/pending_list.h"
#include "agent/engine/reconnect_backoff.h"
#include "agent/engine/rename_follow.h"
#include "agent/engine/sync_status.h"

namespace filesync {

// The state's setting that outlasts restarts; not empty: paused.
inline constexpr char kPausedKey[] = "paused";
// The folder's own ignore rules, as the server told them last.
inline constexpr char kFolderRulesKey[] = "folder_rules";

class LocationSync final : public LinkListener {
 public:
  // On the parts that are given (OpenParts, OpenPartsForDryRun). The clock and logger must outlive
  // it.
  static absl::StatusOr<std::unique_ptr<LocationSync>> Create(LocationSyncOptions options,
                                                              LocationParts parts, Clock* clock,
                                                              Logger* log);
  ~LocationSync() override;

  // Called on the engine's thread; set before Start.
  void OnEvent(std::function<void(const SyncEvent&)> callback);
  void OnPropagation(std::function<void(absl::Duration)> callback);
  // Whenever the status was looked at anew, which is after every event and at least once a
  // second; the events that led to it were told before.
  void OnStatus(std::function<void(const SyncStatus&)> callback);
  void Start();
  void Stop();
  // Does what can be done now; waits up to `wait` for something to do.
  void Step(absl::Duration wait);
  SyncStatus status() const;
  // What waits, with the reasons, in path order: at most `limit` paths. From any thread but the
  // engine's. Unavailable when the engine does not answer.
  absl::StatusOr<PendingList> Pending(size_t limit);

  // From any thread: lets go what the brake holds, in both directions, or undoes it.
  void ConfirmHeld();
  void UndoHeld();
  // From any thread: lets go what a winner's losses are, now and until it has won.
  void AgreeToLosses();

  // From any thread: which rule decides about `path`.
  Filters::Explanation ExplainIgnore(const RelPath& path, bool is_directory) {
    return filters_.Explain(path, is_directory);
  }

  // From any thread: other policies, filters, brake, comparison and compression from now on; what
  // else `options` say is not looked at. Streams and transfers go on.
  void Reconfigure(LocationSyncOptions options);

  // From any thread: looks at everything here again, and connects at once if it is offline. Returns
  // which call it was: a status that knows of it and says "in sync" was true after it.
  uint64_t RequestScan();

  // One thread at a time: how the transfers go; see ProgressTracker::Sample.
  SyncProgress SampleProgress() { return context_.progress.Sample(clock_->Now()); }
  // From any thread: how many files' contents were moved.
  uint64_t FilesMoved() const { return context_.progress.finished(); }

  // From any thread, and not for ever: an engine that does not answer within seconds is
  // Unavailable.
  // What waits for a person here, by path; at most `limit`.
  absl::StatusOr<std::vector<HeldConflict>> ListHeldConflicts(size_t limit);
  // Whether `path` is held, or a decision about it is being carried out. An error is why that
  // failed last; it is tried again.
  enum class ConflictState : uint8_t { kNone, kHeld, kUnderWay };
  absl::StatusOr<ConflictState> StateOfConflict(const RelPath& path);
  // Settles what is held at `path`, as it is by now: once, whatever the policies say. Ok: it is
  // being carried out. NotFound: nothing is held there; Unavailable: the server is not reached.
  absl::Status ResolveConflict(const RelPath& path, ConflictPolicy keep);
  // Settles a conflict copy: it goes, or takes the place of what stands under the name. What
  // loses goes to the trash. NotFound, FailedPrecondition.
  absl::Status ResolveCopy(const RelPath& copy, bool keep_copy);

  // From any thread. A pause by a person outlasts restarts; what changes meanwhile is noticed,
  // and is sent and received afterwards.
  void SetPaused(bool paused);
  // Between the moments of a schedule: the same, without being remembered. `until` is for people.
  void Rest(absl::Time until);
  void EndRest();

  // From the link's thread.
  void OnWelcome(WelcomeInfo welcome) override;
  void OnChanges(RemoteSlice slice) override;
  void OnCommitResult(uint64_t batch, CommitResult result, std::string failure) override;
  void OnConflictsRecorded() override;
  void OnFolderRules(std::string rules) override;
  void OnUpcoming(std::string agent_id, UpcomingPart part) override;
  void OnGoingAway(absl::Duration reconnect_after) override;
  void OnClosed(absl::Status status) override;

 private:
  LocationSync(LocationSyncOptions options, LocationParts parts, Clock* clock, Logger* log);

  absl::Status Begin();
  void StartEngine();
  absl::Status CheckStateBelongsHere();
  absl::Status BecomeNewAgent();
  void NoteId();
  absl::Status StartOver(std::string_view why);
  absl::Status CatchUpWithOwnCommits(uint64_t last_batch);
  absl::Status NoteBehind(bool behind, uint64_t version);
  void MaybeCaughtUp();
  ObserverEvents MakeObserverEvents();
  void HandleRuleChanges();
  void HandleWatch(const std::vector<WatchEvent>& events);
  void HandleWelcome(const WelcomeInfo& welcome);
  absl::Status TakeWelcome(const WelcomeInfo& welcome);
  static bool IsKept(const WelcomeInfo& welcome, const std::string& incarnation, uint64_t version);
  absl::StatusOr<bool> HasLostBases(const WelcomeInfo& welcome);
  absl::Status DropLostTail(const WelcomeInfo& welcome);
  // All that the server still knows has been told: of the rest nothing is left.
  void ForgetLost();
  void HandleClosed(const absl::Status& status);
  void MaybeConnect();
  bool Paused() const { return paused_ || resting_until_ > absl::InfinitePast(); }
  void HoldConnection();
  void MaybeRescan();
  absl::Status TakeFolderRules(const std::string& rules);
  void MaybeLimitTrash();
  void HandleHalt();
  absl::StatusOr<bool> AnythingStands(const RelPath& directory);
  absl::Status CheckRootForDeletions();
  void Carry(std::string_view decision, absl::StatusOr<std::vector<RelPath>> paths);
  absl::Status ReleaseHeldByBrake();
  absl::Status BeginWinner();
  bool Reopens(const HeldRow& row) const;
  absl::Status ReopenFirstSync();
  void MaybeEndWinner();
  void MaybeEndSuspicion();
  absl::Status NoteBinding();
  bool Receiving() const;
  bool Settled(size_t undecided) const;
  bool SomethingHeld() const;
  template <typename Result>
  absl::StatusOr<Result> Ask(std::function<Result()> question);
  absl::Status SettleCopy(const RelPath& copy, bool keep_copy);
  bool NothingElseUnderWay() const;
  bool WorkFlows();
  bool Looking() const;
  void ReportConflicts();
  void RequestFullScan();
  void WarnOfNothing();
  // It settles a conflict, and knows nothing of anything else.
  bool LooksAtOnePath() const { return options_.only.has_value() && !options_.with_subtree; }
  void PublishStatus();
  bool StillBusy() const;
  PendingList ListPending(size_t limit);
  std::optional<PendingPath> Waiting(const RelPath& path);
  PendingPath DescribeHeld(const HeldRow& row) const;
  SyncState DeriveState(uint64_t remote_rows, const Cursor& cursor) const;
  absl::Duration UntilNext(absl::Duration most) const;

  const LocationSyncOptions options_;
  const std::unique_ptr<LocalDirectory> directory_;
  const std::unique_ptr<State> state_;
  std::unique_ptr<ServerLink> link_;
  const bool watches_;
  Clock* const clock_;
  Logger* const log_;
  FilePreparer preparer_;
  Filters filters_;
  EngineContext context_;
  RenameFollower follower_{&context_};
  ConflictReporter reporter_{&context_};
  std::unique_ptr<Observer> observer_;

  enum class Connection : uint8_t { kIdle, kConnecting, kOpen };
  Connection connection_ = Connection::kIdle;
  absl::Time connecting_since_ = absl::InfinitePast();
  absl::Time next_connect_ = absl::InfinitePast();
  absl::Time next_rescan_ = absl::InfinitePast();
  absl::Time trash_checked_ = absl::InfinitePast();
  uint64_t trash_puts_ = 0;  // when it was checked
  absl::Time halt_checked_ = absl::InfinitePast();
  absl::Time root_checked_ = absl::InfinitePast();
  absl::Status root_check_;
  bool paused_ = false;
  absl::Time resting_until_ = absl::InfinitePast();  // InfinitePast: not resting
  std::optional<absl::Duration> asked_to_wait_;
  ReconnectBackoff backoff_;
  bool taken_over_ = false;  // a stream ended because a newer one has this agent's id
  bool ever_connected_ = false;
  HostStops host_stops_;
  std::optional<Binding> bound_to_;
  bool scanned_ = false;
  bool warned_ = false;
  // Until the cursor is here nothing local is decided: a first sync compares both sides first.
  uint64_t hold_local_until_ = 0;
  std::string last_error_;
  absl::Time last_error_at_ = absl::InfinitePast();
  std::function<void(const SyncStatus&)> on_status_;
  std::atomic<uint64_t> scans_asked_for_ = 0;
  uint64_t counted_for_ = 0;    // scan request whose end the counts are from
  uint64_t scan_requests_ = 0;  // those that are with the observer
  absl::Time status_published_ = absl::InfinitePast();
  SyncState state_published_ = SyncState::kOffline;
  absl::Time counted_ = absl::InfinitePast();
  BaseCounts counts_;

  std::atomic<bool> stopping_ = false;
  std::thread thread_;
  // Slices that were received and not started: what makes the link's reader wait.
  absl::Mutex slices_mutex_;
  int slices_waiting_ ABSL_GUARDED_BY(slices_mutex_) = 0;
  bool accepting_ ABSL_GUARDED_BY(slices_mutex_) = true;
  mutable absl::Mutex status_mutex_;
  SyncStatus status_ ABSL_GUARDED_BY(status_mutex_);

  // Last, so that they end first: their tasks use everything above.
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<ThreadPool> up_lane_;
  std::unique_ptr<ThreadPool> large_up_lane_;
  std::unique_ptr<ThreadPool> down_lane_;
  std::unique_ptr<ThreadPool> large_down_lane_;
  std::unique_ptr<IncomingGate> incoming_;
  std::unique_ptr<ApplyFlow> apply_;
  std::unique_ptr<DeletionGate> gate_;
  std::unique_ptr<CommitFlow> commit_;
};

}  // namespace filesync
