#include "agent/engine/planned_link.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

// Takes chunks nowhere.
class NoUpload final : public ChunkUpload {
 public:
  absl::Status Send(std::vector<TravellingChunk>, std::optional<UpcomingPart>) override {
    return absl::OkStatus();
  }
  absl::Status Flush() override { return absl::OkStatus(); }
};

}  // namespace

PlannedLink::PlannedLink(std::unique_ptr<ServerLink> inner, const Clock* clock)
    : inner_(std::move(inner)), clock_(clock), thread_([this] { AnswerLoop(); }) {}

PlannedLink::~PlannedLink() {
  Shutdown();
  thread_.join();
}

void PlannedLink::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  inner_->Shutdown();
}

void PlannedLink::Connect(const HelloInfo& hello, LinkListener* listener) {
  bool interrupted = false;
  {
    absl::MutexLock lock(&mutex_);
    interrupted = planned_;
    if (!interrupted) {
      listener_ = listener;
      copy_ = std::make_unique<FolderCopy>();
      after_ = hello.cursor.version;
      loaded_ = false;
      asked_again_ = 0;
      closed_ = false;
      hanging_up_ = false;
      refused_ = absl::OkStatus();
      asked_.clear();
    }
  }
  if (interrupted) {
    listener->OnClosed(Unavailable("the dry run was interrupted; run it again"));
    return;
  }
  HelloInfo observing = hello;
  observing.observe = true;
  inner_->Connect(observing, this);
}

void PlannedLink::Disconnect() {
  LinkListener* listener = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    hanging_up_ = true;
    if (closed_) listener = std::exchange(listener_, nullptr);
  }
  if (listener != nullptr) {
    listener->OnClosed(Cancelled("hung up"));
  } else {
    inner_->Disconnect();
  }
}

absl::Status PlannedLink::SendCommit(uint64_t batch, const std::vector<Change>& changes,
                                     const std::vector<TravellingChunk>&) {
  {
    absl::MutexLock lock(&mutex_);
    if (batch > last_batch_) {
      asked_.push_back({batch, changes});
      return absl::OkStatus();
    }
    ++asked_again_;
  }
  return inner_->SendCommit(batch, changes, {});
}

absl::Status PlannedLink::SendHeldConflicts(const ConflictReport&) {
  LinkListener* listener = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    listener = listener_;
  }
  if (listener != nullptr) listener->OnConflictsRecorded();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ChunkUpload>> PlannedLink::Upload(FolderId, const std::string&) {
  return std::unique_ptr<ChunkUpload>(std::make_unique<NoUpload>());
}

void PlannedLink::OnWelcome(WelcomeInfo welcome) {
  LinkListener* listener = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (welcome.observing) {
      incarnation_ = welcome.incarnations.back().id;
      if (!welcome.cursor_known) after_ = 0;
      head_ = welcome.head_version;
      last_batch_ = welcome.last_batch;
      loaded_ = head_ == 0;
      listener = listener_;
    } else {
      refused_ = FailedPrecondition("this server is too old for dry runs");
    }
  }
  if (listener != nullptr) {
    listener->OnWelcome(std::move(welcome));
  } else {
    inner_->Disconnect();
  }
}

void PlannedLink::OnChanges(RemoteSlice slice) {
  LinkListener* listener = nullptr;
  bool news = false;
  {
    absl::MutexLock lock(&mutex_);
    if (loaded_) return;
    listener = listener_;
    news = slice.through.version > after_;
    head_ = std::max(head_, slice.through.version >= head_ ? slice.through.version : 0);
    if (!copy_->Load(slice.entries, slice.through.version).ok()) return;
    slice.head_version = head_;
    std::erase_if(slice.entries, [this](const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return entry.version <= after_;
    });
  }
  const uint64_t through = slice.through.version;
  if (news && listener != nullptr) listener->OnChanges(std::move(slice));
  // Only now, so that what is answered to commits comes after it.
  absl::MutexLock lock(&mutex_);
  loaded_ = through >= head_;
}

void PlannedLink::OnCommitResult(uint64_t batch, CommitResult result, std::string failure) {
  LinkListener* listener = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    --asked_again_;
    listener = listener_;
    // What came after the stream began is not seen.
    result.head_version = std::min(result.head_version, head_);
  }
  if (listener != nullptr) listener->OnCommitResult(batch, std::move(result), std::move(failure));
}

void PlannedLink::OnGoingAway(absl::Duration) {}

void PlannedLink::OnClosed(absl::Status status) {
  LinkListener* listener = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    if (!refused_.ok()) status = refused_;
    // All that is needed of the server is here already.
    const bool enough = loaded_ && asked_again_ == 0 && !hanging_up_;
    if (!enough) listener = std::exchange(listener_, nullptr);
  }
  if (listener != nullptr) listener->OnClosed(std::move(status));
}

void PlannedLink::AnswerLoop() {
  pthread_setname_np(pthread_self(), "planned-link");
  while (true) {
    Asked asked;
    {
      absl::MutexLock lock(&mutex_);
      auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || (loaded_ && !asked_.empty());
      };
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      asked = std::move(asked_.front());
      asked_.pop_front();
    }
    Answer(asked);
  }
}

void PlannedLink::Answer(const Asked& asked) {
  LinkListener* listener = nullptr;
  absl::StatusOr<CommitResult> result = CommitResult();
  RemoteSlice moved;
  {
    absl::MutexLock lock(&mutex_);
    planned_ = true;
    result = copy_->Commit(asked.changes, absl::ToUnixNanos(clock_->Now()));
    // As the server does, which sends no agent its own commits.
    moved.through = {incarnation_, copy_->head()};
    moved.head_version = copy_->head();
    listener = listener_;
  }
  if (listener == nullptr) return;
  if (!result.ok()) {
    listener->OnCommitResult(asked.batch, {}, Describe(result.status()));
    return;
  }
  listener->OnCommitResult(asked.batch, *std::move(result), "");
  listener->OnChanges(std::move(moved));
}

}  // namespace filesync
