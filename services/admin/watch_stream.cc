#include "services/admin/watch_stream.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/wire/grpc_status.h"
#include "services/admin/views.h"

namespace filesync {
namespace {

constexpr size_t kEntriesAtOnce = 100;
constexpr size_t kBytesAtOnce = 256 << 10;
constexpr size_t kSessionEventsKept = 256;

}  // namespace

std::shared_ptr<WatchStream> WatchStream::Start(const AdminDependencies* dependencies,
                                                grpc::CallbackServerContext* context,
                                                std::string folder) {
  std::shared_ptr<WatchStream> stream(new WatchStream(dependencies, context, std::move(folder)));
  absl::MutexLock lock(&stream->mutex_);
  stream->self_ = stream;
  stream->Pump();
  return stream;
}

void WatchStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) EndLocked(Cancelled("the watcher hung up"));
  Pump();
}

void WatchStream::OnCancel() { End(Cancelled("the watcher hung up")); }

void WatchStream::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  EndLocked(status);
  Pump();
}

void WatchStream::EndLocked(const absl::Status& status) {
  if (!ending_.has_value()) ending_ = status;
  // A write to a watcher that does not read would last for ever.
  if (writing_ && !finished_) context_->TryCancel();
}

void WatchStream::OnDone() {
  std::shared_ptr<WatchStream> self;
  absl::MutexLock lock(&mutex_);
  self = std::move(self_);
  done_ = true;
  // A job that still runs leaves when it is through.
  if (!working_) dependencies_->executor->Schedule([self] { self->Leave(); });
}

// Not under the lock: the hub and the sessions call this stream under theirs.
void WatchStream::Leave() {
  subscription_.reset();
  if (observer_ != 0) dependencies_->sessions->RemoveObserver(observer_);
  if (conflict_observer_ != 0) dependencies_->conflicts->Remove(conflict_observer_);
}

void WatchStream::Pump() {
  if (finished_) return;
  if (ending_.has_value()) {
    if (writing_) return;
    finished_ = true;
    Finish(ToGrpc(*ending_));
    return;
  }
  std::deque<v1::WatchEventsResponse>& next = sessions_.empty() ? entries_ : sessions_;
  if (!writing_ && !next.empty()) {
    outgoing_ = std::move(next.front());
    next.pop_front();
    writing_ = true;
    StartWrite(&outgoing_);
  }
  if (!working_ && (!opened_ || (entries_.empty() && head_ > cursor_))) {
    working_ = true;
    dependencies_->executor->Schedule([self = shared_from_this()] { self->Work(); });
  }
}

void WatchStream::Work() {
  bool opened = false;
  uint64_t through = 0;
  uint64_t after = 0;
  {
    absl::MutexLock lock(&mutex_);
    opened = opened_;
    through = head_;
    after = cursor_;
  }
  absl::Status status;
  absl::StatusOr<ChangeSlice> slice = ChangeSlice();
  if (opened) {
    slice = dependencies_->metadata->ChangesSince(folder_, after, kEntriesAtOnce, kBytesAtOnce);
    status = slice.status();
  } else {
    status = Open();
  }
  bool done = false;
  {
    absl::MutexLock lock(&mutex_);
    working_ = false;
    opened_ = true;
    done = done_;
    if (!status.ok()) {
      EndLocked(status);
    } else if (!opened) {
      // Tells the watcher that nothing from here on is missed.
      if (!finished_) StartSendInitialMetadata();
    } else {
      for (const Entry& entry : slice->entries) {
        *entries_.emplace_back().mutable_entry() = ToView(entry);
      }
      // Also when nothing was there although the hub said so.
      cursor_ = std::max(slice->through, slice->entries.empty() ? through : 0);
    }
    Pump();
  }
  if (done) Leave();
}

absl::Status WatchStream::Open() {
  const absl::StatusOr<FolderInfo> folder = dependencies_->metadata->GetFolder(folder_name_);
  if (absl::IsNotFound(folder.status())) {
    return NotFound("there is no folder \"{}\" on this server", EscapeForPeople(folder_name_));
  }
  FS_RETURN_IF_ERROR(folder.status());
  folder_ = folder->id;
  subscription_ = dependencies_->hub->Subscribe(folder_, [this](uint64_t head) {
    absl::MutexLock lock(&mutex_);
    head_ = std::max(head_, head);
    Pump();
  });
  observer_ = dependencies_->sessions->AddObserver(
      folder_,
      [this](const SessionInfo& session, bool connected) { OnSession(session, connected); });
  conflict_observer_ = dependencies_->conflicts->Add(
      folder_, [this](const ConflictNews& news) { OnConflicts(news); });
  FS_ASSIGN_OR_RETURN(const uint64_t head, dependencies_->metadata->PublishedHead(folder_));
  absl::MutexLock lock(&mutex_);
  // What was committed after the subscription counts as after the start.
  cursor_ = std::max(cursor_, folder->head_version);
  head_ = std::max(head_, head);
  return absl::OkStatus();
}

void WatchStream::OnSession(const SessionInfo& session, bool connected) {
  const absl::StatusOr<uint64_t> head = dependencies_->metadata->PublishedHead(session.folder);
  v1::AgentView view = ToView(session, head.value_or(session.applied.version), connected);
  absl::MutexLock lock(&mutex_);
  if (sessions_.size() == kSessionEventsKept) sessions_.pop_front();
  v1::WatchEventsResponse& event = sessions_.emplace_back();
  *(connected ? event.mutable_agent_connected() : event.mutable_agent_disconnected()) =
      std::move(view);
  Pump();
}

void WatchStream::OnConflicts(const ConflictNews& news) {
  const AgentNames names(*dependencies_, folder_);
  absl::MutexLock lock(&mutex_);
  const auto add = [&](const ConflictRecord& record, bool held)
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                         if (sessions_.size() == kSessionEventsKept) sessions_.pop_front();
                         v1::WatchEventsResponse& event = sessions_.emplace_back();
                         v1::ConflictView& view = held ? *event.mutable_conflict_held()
                                                       : *event.mutable_conflict_settled();
                         view = ToView(record, names);
                         view.set_connected(true);
                       };
  for (const ConflictRecord& record : news.settled) add(record, false);
  for (const ConflictRecord& record : news.held) add(record, true);
  Pump();
}

}  // namespace filesync
