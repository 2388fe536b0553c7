// PlannedLink: a server link for dry runs. The server is only looked at; commits are answered
// here, by a copy of the folder that decides as the server would, and change nothing there.
//
// Invariants: nothing is committed, uploaded or reported, the agent is not registered. Commits are
// answered once the whole folder, as it was when the stream began, is in the copy; what is
// committed there later is not seen. A batch that an earlier stream sent and whose answer was lost
// is asked for at the server, which remembers it. Thread-safe. Threads: one that answers commits.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/server_link.h"
#include "libs/base/clock.h"
#include "libs/metadata/folder_copy.h"

namespace filesync {

class PlannedLink final : public ServerLink, private LinkListener {
 public:
  // The clock must outlive it.
  PlannedLink(std::unique_ptr<ServerLink> inner, const Clock* clock);
  ~PlannedLink() override;

  void Connect(const HelloInfo& hello, LinkListener* listener) override;
  void Disconnect() override;
  void Shutdown() override;
  absl::Status SendCommit(uint64_t batch, const std::vector<Change>& changes,
                          const std::vector<TravellingChunk>& inline_chunks) override;
  absl::Status SendApplied(const Cursor&) override { return absl::OkStatus(); }
  absl::Status SendHeldConflicts(const ConflictReport& report) override;
  // None: so none is read again or sent.
  absl::StatusOr<std::vector<ChunkId>> FindMissingChunks(FolderId,
                                                         const std::vector<ChunkId>&) override {
    return std::vector<ChunkId>();
  }
  absl::StatusOr<std::unique_ptr<ChunkUpload>> Upload(FolderId folder,
                                                      const std::string& agent_id) override;
  absl::Status Download(
      FolderId folder, const std::vector<ChunkId>& ids,
      const std::function<absl::Status(size_t index, absl::Cord frame)>& take) override {
    return inner_->Download(folder, ids, take);
  }
  uint64_t BytesSent() const override { return inner_->BytesSent(); }
  uint64_t BytesReceived() const override { return inner_->BytesReceived(); }

 private:
  struct Asked {
    uint64_t batch = 0;
    std::vector<Change> changes;
  };

  // From the inner link.
  void OnWelcome(WelcomeInfo welcome) override;
  void OnChanges(RemoteSlice slice) override;
  void OnCommitResult(uint64_t batch, CommitResult result, std::string failure) override;
  void OnConflictsRecorded() override {}
  // What came after the stream began is not seen.
  void OnFolderRules(std::string) override {}
  void OnUpcoming(std::string, UpcomingPart) override {}
  void OnGoingAway(absl::Duration reconnect_after) override;
  void OnClosed(absl::Status status) override;

  void AnswerLoop();
  void Answer(const Asked& asked);

  const std::unique_ptr<ServerLink> inner_;
  const Clock* const clock_;

  absl::Mutex mutex_;
  LinkListener* listener_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::unique_ptr<FolderCopy> copy_ ABSL_GUARDED_BY(mutex_);
  std::string incarnation_ ABSL_GUARDED_BY(mutex_);
  uint64_t after_ ABSL_GUARDED_BY(mutex_) = 0;  // the agent's cursor
  uint64_t head_ ABSL_GUARDED_BY(mutex_) = 0;   // the folder's, when the stream began
  uint64_t last_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  // Batches whose answer the server remembers, and has not given again yet.
  int asked_again_ ABSL_GUARDED_BY(mutex_) = 0;
  // Something was answered here: there is no going back to what the server says.
  bool planned_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = true;  // the inner link's stream
  bool hanging_up_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);
  std::deque<Asked> asked_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace filesync
