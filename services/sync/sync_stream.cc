#include "services/sync/sync_stream.h"

#include <algorithm>
#include <utility>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"
#include "libs/wire/convert.h"
#include "libs/wire/grpc_status.h"
#include "services/chunk/store_chunks.h"
#include "services/sync/commit_runner.h"
#include "services/sync/peer_address.h"
#include "services/sync/resume.h"

namespace filesync {
namespace {

// An agent's cursor is for people and for keeping tombstones: it may lag.
constexpr absl::Duration kSaveInterval = absl::Seconds(5);
// Of what others are sending, in bytes; it is shared by all streams that are told.
constexpr size_t kMostUpcoming = 256 << 10;

// What Welcome says to everyone alike.
void DescribeServer(const std::string& server_id, const std::vector<Incarnation>& rows,
                    v1::Welcome* welcome) {
  welcome->set_server_id(server_id);
  for (const Incarnation& row : rows) ToProto(row, welcome->add_incarnations());
  v1::Limits* limits = welcome->mutable_limits();
  limits->set_changes_per_message(kMaxChangesPerMessage);
  limits->set_changes_per_batch(kMaxChangesPerBatch);
  limits->set_inline_bytes(kMaxInlineBytes);
  limits->set_message_bytes(kMaxMessageBytes);
  limits->set_ids_per_message(kMaxIdsPerMessage);
}

}  // namespace

SyncStream* SyncStream::Start(const SyncDependencies* dependencies,
                              grpc::CallbackServerContext* context) {
  const std::shared_ptr<SyncStream> stream(new SyncStream(dependencies, context));
  absl::MutexLock lock(&stream->mutex_);
  stream->self_ = stream;
  stream->Pump();
  return stream.get();
}

SyncStream::SyncStream(const SyncDependencies* dependencies, grpc::CallbackServerContext* context)
    : dependencies_(dependencies),
      address_(ReadablePeerAddress(context->peer())),
      context_(context) {}

void SyncStream::OnReadDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  reading_ = false;
  if (ok) {
    message_waits_ = true;
  } else {
    EndLocked(absl::OkStatus(), /*at_once=*/false);
  }
  Pump();
}

void SyncStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  const int64_t committed_at_ns = outgoing_.front().committed_at_ns;
  outgoing_.pop_front();
  if (!ok) {
    EndLocked(Unavailable("the connection was lost"), /*at_once=*/true);
  } else if (committed_at_ns != 0) {
    const absl::Duration latency =
        dependencies_->clock->Now() - absl::FromUnixNanos(committed_at_ns);
    dependencies_->metrics->fanout_latency.Observe(std::max(0.0, absl::ToDoubleSeconds(latency)));
  }
  Pump();
}

void SyncStream::OnCancel() {
  absl::MutexLock lock(&mutex_);
  EndLocked(Cancelled("the agent hung up"), /*at_once=*/true);
  Pump();
}

void SyncStream::OnDone() {
  std::shared_ptr<SyncStream> self;
  absl::MutexLock lock(&mutex_);
  self = std::move(self_);
  done_ = true;
  // A job that still runs leaves when it is through.
  if (!working_) dependencies_->executor->Schedule([self] { self->Leave(); });
}

void SyncStream::Leave() {
  std::unique_ptr<Hub::Subscription> subscription;
  uint64_t session_key = 0;
  absl::Status reason;
  {
    absl::MutexLock lock(&mutex_);
    subscription = std::move(subscription_);
    session_key = session_key_;
    reason = ending_.value_or(absl::OkStatus());
  }
  // Outside the lock: the hub calls this stream under its own.
  subscription.reset();
  if (session_key == 0) {
    // Who only looks hangs up when it has seen enough.
    if (!reason.ok() && !(observing_ && absl::IsCancelled(reason))) {
      dependencies_->log->Warn("stream from {} ended: {}", address_, Describe(reason));
    }
    return;
  }
  SaveAgent();
  dependencies_->sessions->Close(session_key);
  dependencies_->log->Info("agent {} left folder {}: {}", session_.agent_name, session_.folder_name,
                           reason.ok() ? "it closed the stream" : Describe(reason));
}

void SyncStream::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  EndLocked(status, /*at_once=*/true);
  Pump();
}

void SyncStream::GoAway(absl::Duration reconnect_after) {
  absl::MutexLock lock(&mutex_);
  if (ending_.has_value()) return;
  Outgoing notice;
  notice.message.mutable_notice()->mutable_going_away()->set_reconnect_after_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(reconnect_after)));
  outgoing_.push_back(std::move(notice));
  EndLocked(Unavailable("the server is going away; come back later"), /*at_once=*/false);
  Pump();
}

void SyncStream::TellRules(const std::string& rules) {
  absl::MutexLock lock(&mutex_);
  if (ending_.has_value()) return;
  told_rules_ = rules;
  // What is being answered may be Hello, whose Welcome goes first.
  if (!working_) QueueRules();
  Pump();
}

void SyncStream::TellUpcoming(std::shared_ptr<const v1::UpcomingContent> upcoming) {
  absl::MutexLock lock(&mutex_);
  const size_t bytes = upcoming->ByteSizeLong();
  // Who does not keep up does without: it is only a hint.
  if (ending_.has_value() || !hears_upcoming_ || upcoming_bytes_ + bytes > kMostUpcoming) return;
  upcoming_bytes_ += bytes;
  upcoming_.push_back(std::move(upcoming));
  Pump();
}

void SyncStream::TellNextUpcoming() {
  const auto next = std::move(upcoming_.front());
  upcoming_.pop_front();
  upcoming_bytes_ -= next->ByteSizeLong();
  *outgoing_.emplace_back().message.mutable_upcoming() = *next;
  writing_ = true;
  StartWrite(&outgoing_.front().message);
}

void SyncStream::QueueRules() {
  if (!told_rules_.has_value()) return;
  Outgoing notice;
  notice.message.mutable_notice()->mutable_rules()->set_ignore(*std::exchange(told_rules_, {}));
  outgoing_.push_back(std::move(notice));
}

void SyncStream::EndLocked(const absl::Status& status, bool at_once) {
  // What went wrong after a peer's last message is still its stream's end.
  if (!ending_.has_value() || ending_->ok()) ending_ = status;
  if (!at_once || finished_) return;
  end_at_once_ = true;
  // A write to a peer that does not read would last for ever.
  if (writing_) context_->TryCancel();
}

bool SyncStream::FeedIsReady() const {
  return welcomed_ && !writing_ && outgoing_.empty() && head_ > cursor_;
}

void SyncStream::Pump() {
  if (finished_) return;
  if (ending_.has_value() && !writing_ && (end_at_once_ || (!working_ && outgoing_.empty()))) {
    finished_ = true;
    Finish(ToGrpc(*ending_));
    return;
  }
  if (!writing_ && !outgoing_.empty()) {
    writing_ = true;
    StartWrite(&outgoing_.front().message);
  }
  if (ending_.has_value()) return;
  // Nothing that counts waits for it.
  if (!writing_ && !working_ && !FeedIsReady() && !upcoming_.empty()) TellNextUpcoming();
  if (working_) return;
  // In turns, so that an agent that commits without a pause still hears of the others.
  if (message_waits_ && !(handled_last_ && FeedIsReady())) {
    handled_last_ = true;
    StartJob(&SyncStream::HandleMessage);
  } else if (FeedIsReady()) {
    handled_last_ = false;
    StartJob(&SyncStream::ReadFeed);
  }
  if (!reading_ && !message_waits_) {
    reading_ = true;
    StartRead(&request_);
  }
}

void SyncStream::StartJob(void (SyncStream::*job)(JobResult&)) {
  working_ = true;
  dependencies_->executor->Schedule([self = shared_from_this(), job] {
    JobResult result;
    (self.get()->*job)(result);
    self->TakeResult(std::move(result));
  });
}

void SyncStream::TakeResult(JobResult result) {
  bool done = false;
  {
    absl::MutexLock lock(&mutex_);
    working_ = false;
    done = done_;
    if (result.read_on) message_waits_ = false;
    if (feed_.has_value()) cursor_ = std::max(cursor_, feed_->cursor());
    // Nothing was there although the hub said so: what it told of has been looked at.
    if (result.looked_through > cursor_ && result.outgoing.empty()) {
      cursor_ = result.looked_through;
    }
    for (Outgoing& outgoing : result.outgoing) outgoing_.push_back(std::move(outgoing));
    hears_upcoming_ = hears_upcoming_ || result.hears_upcoming;
    QueueRules();
    // What was decided before is still told; the stream ends after it.
    if (!result.status.ok()) EndLocked(result.status, /*at_once=*/false);
    Pump();
  }
  if (done) Leave();
}

void SyncStream::HandleMessage(JobResult& result) {
  result.read_on = true;
  // Its memory goes with it: an idle stream keeps none.
  v1::SyncRequest request = std::exchange(request_, {});
  if (!feed_.has_value() && !request.has_hello()) {
    result.status = InvalidArgument("the first message must be Hello");
    return;
  }
  if (feed_.has_value() && request.has_hello()) {
    result.status = InvalidArgument("Hello must be the first message only");
    return;
  }
  // Whatever an agent says after Welcome, it has taken that to heart.
  if (!request.has_hello() && std::exchange(told_to_merge_, false)) SaveAgent();
  switch (request.message_case()) {
    case v1::SyncRequest::kHello:
      result.status = HandleHello(request.hello(), result);
      break;
    case v1::SyncRequest::kCommit:
      result.status = HandleCommit(std::move(*request.mutable_commit()), result);
      break;
    case v1::SyncRequest::kApplied:
      result.status = HandleApplied(request.applied());
      break;
    case v1::SyncRequest::kHeldConflicts:
      result.status = HandleConflicts(request.held_conflicts(), result);
      break;
    case v1::SyncRequest::MESSAGE_NOT_SET:
      // From a newer agent; what must be understood is agreed on in Hello.
      break;
  }
}

absl::StatusOr<FolderInfo> SyncStream::OpenFolder(const std::string& name, bool create) {
  absl::StatusOr<FolderInfo> folder = dependencies_->metadata->GetFolder(name);
  if (folder.ok() || !absl::IsNotFound(folder.status())) return folder;
  if (!create) {
    return NotFound("there is no folder \"{}\" on this server", EscapeForPeople(name));
  }
  folder = dependencies_->metadata->CreateFolder(name);
  if (folder.ok()) {
    dependencies_->log->Info("folder {} created", EscapeForPeople(name));
  } else if (absl::IsAlreadyExists(folder.status())) {
    return dependencies_->metadata->GetFolder(name);
  }
  return folder;
}

absl::Status SyncStream::HandleHello(const v1::Hello& message, JobResult& result) {
  FS_ASSIGN_OR_RETURN(HelloFields hello, FromProto(message));
  observing_ = hello.observe;
  absl::StatusOr<FolderInfo> opened = OpenFolder(hello.folder, hello.create_folder && !observing_);
  if (observing_ && absl::IsNotFound(opened.status())) opened = FolderInfo{.name = hello.folder};
  FS_ASSIGN_OR_RETURN(const FolderInfo folder, std::move(opened));
  // Before the head is read: what is committed from here on wakes this stream.
  if (!observing_) Follow(folder.id);
  uint64_t head = 0;
  if (folder.id != 0) {
    FS_ASSIGN_OR_RETURN(head, dependencies_->metadata->PublishedHead(folder.id));
  }
  const std::vector<Incarnation> rows = dependencies_->metadata->Incarnations();
  ResumePoint resume = FindResumePoint(hello.cursor, rows, head);
  if (!resume.known && !observing_) ReportLostHistory(hello, resume);
  session_ = SessionInfo{folder.id,
                         folder.name,
                         hello.agent_id,
                         hello.agent_name,
                         hello.software,
                         address_,
                         resume.known ? hello.cursor : Cursor{},
                         dependencies_->clock->Now()};
  FS_ASSIGN_OR_RETURN(const AgentRegistry::Known known, EnterFolder());
  if (known.forgotten) {
    session_.applied = Cursor{};
    resume.after = 0;
    told_to_merge_ = true;
  }
  FS_ASSIGN_OR_RETURN(last_batch_, dependencies_->metadata->LastBatch(folder.id, hello.agent_id));
  feed_.emplace(dependencies_->metadata, dependencies_->chunks,
                ChangeFeed::Options{.folder = folder.id,
                                    .agent_id = hello.agent_id,
                                    .incarnation = rows.back().id,
                                    .after = observing_ ? 0 : resume.after,
                                    .inline_chunks = !observing_},
                head);
  v1::Welcome* welcome = result.outgoing.emplace_back().message.mutable_welcome();
  DescribeServer(dependencies_->metadata->ServerId(), rows, welcome);
  welcome->set_protocol(std::min(message.protocol(), kProtocolVersion));
  welcome->set_folder_id(folder.id);
  welcome->set_head_version(head);
  welcome->set_cursor_known(resume.known);
  welcome->set_last_batch(last_batch_);
  welcome->set_had_version(known.had_version);
  welcome->set_forgotten(known.forgotten);
  welcome->set_observing(observing_);
  // Read after the session was opened: who replaces them from now on tells it.
  auto rules = folder.rules;
  if (!observing_) {
    FS_ASSIGN_OR_RETURN(const FolderInfo now, dependencies_->metadata->GetFolder(folder.id));
    rules = now.rules;
  }
  welcome->mutable_rules()->set_ignore(rules == nullptr ? "" : *rules);
  dependencies_->log->Info("agent {} ({}) {} folder {} from {}, at version {} of {}",
                           hello.agent_name, HexEncode(hello.agent_id),
                           observing_ ? "looks at" : "connected to", folder.name, address_,
                           resume.after, head);
  result.hears_upcoming = hello.upcoming && !observing_;
  absl::MutexLock lock(&mutex_);
  head_ = std::max(head_, head);
  welcomed_ = true;
  return absl::OkStatus();
}

// From here on the agent is one of the folder's, unless it only looks.
absl::StatusOr<AgentRegistry::Known> SyncStream::EnterFolder() {
  if (observing_) {
    return dependencies_->agents->Look(session_.folder, session_.agent_id, session_.applied);
  }
  FS_ASSIGN_OR_RETURN(const AgentRegistry::Known known,
                      dependencies_->agents->Admit(session_, weak_from_this()));
  saved_at_ = dependencies_->clock->Now();
  absl::MutexLock lock(&mutex_);
  session_key_ = known.session_key;
  return known;
}

void SyncStream::ReportLostHistory(const HelloFields& hello, const ResumePoint& resume) {
  const uint64_t seen = hello.cursor.version;
  dependencies_->metrics->history_lost.Increment(
      static_cast<double>(seen - std::min(seen, resume.last_kept)));
  dependencies_->log->Error(
      "folder {}: agent {} has seen version {} of a history of which this server keeps {} only "
      "(it went back, e.g. to a backup): versions {} to {} are lost; the agent merges what it "
      "holds",
      hello.folder, hello.agent_name, seen, resume.last_kept, resume.last_kept + 1, seen);
}

void SyncStream::Follow(FolderId folder) {
  std::unique_ptr<Hub::Subscription> subscription =
      dependencies_->hub->Subscribe(folder, [this](uint64_t head) {
        absl::MutexLock lock(&mutex_);
        head_ = std::max(head_, head);
        Pump();
      });
  absl::MutexLock lock(&mutex_);
  subscription_ = std::move(subscription);
}

absl::Status SyncStream::CheckObserver(const v1::Commit& message) {
  if (message.batch() <= last_batch_ && message.inline_chunks().empty()) return absl::OkStatus();
  return InvalidArgument("a stream that only looks at a folder commits nothing");
}

absl::Status SyncStream::HandleCommit(v1::Commit&& message, JobResult& result) {
  if (observing_) FS_RETURN_IF_ERROR(CheckObserver(message));
  FS_ASSIGN_OR_RETURN(const std::vector<StoredChunk> chunks, assembler_.Add(std::move(message)));
  absl::Status stored =
      StoreChunks(dependencies_->metadata, dependencies_->chunks, session_.folder, chunks);
  if (absl::IsDataLoss(stored)) return stored;
  // The server's trouble is no reason to end the stream: it is the answer to this batch.
  if (!stored.ok()) assembler_.Refuse(stored);
  if (!assembler_.complete()) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(CommitAnswer answer, RunCommit(*dependencies_, session_.folder,
                                                     session_.agent_id, assembler_.Take()));
  for (const uint64_t version : answer.accepted) feed_->AddOwn(version);
  for (v1::SyncResponse& response : answer.messages) {
    result.outgoing.push_back({std::move(response)});
  }
  return absl::OkStatus();
}

absl::Status SyncStream::HandleApplied(const v1::Applied& message) {
  if (observing_) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(session_.applied, FromProto(message.cursor()));
  session_.last_seen = dependencies_->clock->Now();
  uint64_t key = 0;
  {
    absl::MutexLock lock(&mutex_);
    key = session_key_;
  }
  dependencies_->sessions->SetApplied(key, session_.applied, session_.last_seen);
  if (session_.last_seen - saved_at_ >= kSaveInterval) SaveAgent();
  return absl::OkStatus();
}

absl::Status SyncStream::HandleConflicts(const v1::HeldConflicts& message, JobResult& result) {
  if (observing_) return InvalidArgument("a stream that only looks at a folder holds no conflicts");
  FS_ASSIGN_OR_RETURN(const ConflictReport report, FromProto(message));
  FS_ASSIGN_OR_RETURN(const ConflictNews news,
                      dependencies_->metadata->PutConflicts(session_.folder, session_.agent_id,
                                                            session_.agent_name, report));
  result.outgoing.emplace_back().message.mutable_held_conflicts_recorded();
  if (news.held.empty() && news.settled.empty()) return absl::OkStatus();
  dependencies_->log->Info("folder {}: conflicts held by agent {}: {} new or changed, {} settled",
                           session_.folder_name, session_.agent_name, news.held.size(),
                           news.settled.size());
  dependencies_->conflicts->Announce(session_.folder, news);
  return absl::OkStatus();
}

void SyncStream::SaveAgent() {
  if (told_to_merge_) return;
  saved_at_ = dependencies_->clock->Now();
  uint64_t key = 0;
  {
    absl::MutexLock lock(&mutex_);
    key = session_key_;
  }
  if (absl::Status saved = dependencies_->agents->Note(key, session_); !saved.ok()) {
    dependencies_->log->Warn("agent {}: its cursor was not saved: {}", session_.agent_name,
                             Describe(saved));
  }
}

void SyncStream::ReadFeed(JobResult& result) {
  {
    absl::MutexLock lock(&mutex_);
    result.looked_through = head_;
  }
  absl::StatusOr<std::optional<ChangeFeed::Message>> next = feed_->Next();
  if (!next.ok()) {
    result.status = Annotate(next.status(), "reading the folder's changes");
    dependencies_->log->Error("folder {}: {}", session_.folder_name, Describe(result.status));
    return;
  }
  if (!next->has_value()) return;
  Outgoing& outgoing = result.outgoing.emplace_back();
  *outgoing.message.mutable_changes() = std::move((*next)->changes);
  outgoing.committed_at_ns = (*next)->committed_at_ns;
}

}  // namespace filesync
