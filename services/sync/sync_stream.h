// SyncStream: one agent's Sync stream on the server.
//
// Reactions never block: what may is a job on the executor, and a stream has at most one job,
// one read and one write in flight. Nothing is read while a message is being worked on, which
// is the sender's back-pressure; nothing of the feed is read from the store while a write is
// in flight, which is the slow reader's. A job is a commit or a slice of the feed, never both
// at once: so the answer to a commit is always sent before the feed's cursor passes it.
//
// Life: the stream owns itself until OnDone; jobs hold references of their own. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "filesync/v1/sync.pb.h"
#include "libs/wire/convert.h"
#include "services/sync/change_feed.h"
#include "services/sync/commit_assembler.h"
#include "services/sync/resume.h"
#include "services/sync/sync_dependencies.h"

namespace filesync {

class SyncStream final : public grpc::ServerBidiReactor<v1::SyncRequest, v1::SyncResponse>,
                         public SessionControl,
                         public std::enable_shared_from_this<SyncStream> {
 public:
  // `dependencies` must outlive the stream.
  static SyncStream* Start(const SyncDependencies* dependencies,
                           grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void End(const absl::Status& status) override;
  void GoAway(absl::Duration reconnect_after) override;
  void TellRules(const std::string& rules) override;
  void TellUpcoming(std::shared_ptr<const v1::UpcomingContent> upcoming) override;

 private:
  struct Outgoing {
    v1::SyncResponse message;
    int64_t committed_at_ns = 0;  // of the news in it; 0: none
  };
  // What a job leaves behind, taken over under the lock.
  struct JobResult {
    absl::Status status;
    std::vector<Outgoing> outgoing;
    bool read_on = false;         // the message is dealt with
    uint64_t looked_through = 0;  // the head the feed was read for
    bool hears_upcoming = false;  // the agent asked for it, and Welcome goes before it
  };

  SyncStream(const SyncDependencies* dependencies, grpc::CallbackServerContext* context);

  // Starts whatever can be started now.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FeedIsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartJob(void (SyncStream::*job)(JobResult&)) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeResult(JobResult result) ABSL_LOCKS_EXCLUDED(mutex_);
  // `at_once`: without waiting for what is being worked on or written.
  void QueueRules() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked(const absl::Status& status, bool at_once) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellNextUpcoming() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The jobs; on the executor, one at a time.
  void HandleMessage(JobResult& result);
  absl::Status HandleHello(const v1::Hello& message, JobResult& result);
  absl::Status HandleCommit(v1::Commit&& message, JobResult& result);
  // Of a stream that only looks.
  absl::Status CheckObserver(const v1::Commit& message);
  absl::Status HandleApplied(const v1::Applied& message);
  absl::Status HandleConflicts(const v1::HeldConflicts& message, JobResult& result);
  void ReadFeed(JobResult& result);

  absl::StatusOr<FolderInfo> OpenFolder(const std::string& name, bool create);
  void Follow(FolderId folder);
  void ReportLostHistory(const HelloFields& hello, const ResumePoint& resume);
  absl::StatusOr<AgentRegistry::Known> EnterFolder() ABSL_LOCKS_EXCLUDED(mutex_);
  void SaveAgent() ABSL_LOCKS_EXCLUDED(mutex_);
  // The stream's end, once it is done and no job runs; on the executor.
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);

  const SyncDependencies* const dependencies_;
  const std::string address_;

  // Belong to the job that runs, and to Leave after the last one.
  v1::SyncRequest request_;
  CommitAssembler assembler_;
  std::optional<ChangeFeed> feed_;
  SessionInfo session_;
  bool observing_ = false;
  uint64_t last_batch_ = 0;  // when the stream began
  // The agent was forgotten, and may not know it yet.
  bool told_to_merge_ = false;
  absl::Time saved_at_ = absl::InfinitePast();

  absl::Mutex mutex_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<SyncStream> self_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Hub::Subscription> subscription_ ABSL_GUARDED_BY(mutex_);
  uint64_t session_key_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  uint64_t head_ ABSL_GUARDED_BY(mutex_) = 0;    // latest that the hub told of
  uint64_t cursor_ ABSL_GUARDED_BY(mutex_) = 0;  // the feed's
  bool welcomed_ ABSL_GUARDED_BY(mutex_) = false;
  // What others are sending: told when there is nothing else to do, and left out from where on it
  // would be too much.
  bool hears_upcoming_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<const v1::UpcomingContent>> upcoming_ ABSL_GUARDED_BY(mutex_);
  size_t upcoming_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // The folder's ignore rules, to be told after what is being answered.
  std::optional<std::string> told_rules_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool message_waits_ ABSL_GUARDED_BY(mutex_) = false;
  bool handled_last_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_at_once_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
