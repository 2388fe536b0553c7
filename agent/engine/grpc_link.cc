#include "agent/engine/grpc_link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/active_calls.h"
#include "agent/engine/grpc_transfers.h"
#include "filesync/v1/chunk.grpc.pb.h"
#include "filesync/v1/sync.grpc.pb.h"
#include "libs/base/status.h"
#include "libs/base/version.h"
#include "libs/wire/channel.h"
#include "libs/wire/chunk_messages.h"
#include "libs/wire/convert.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

constexpr uint32_t kProtocol = 1;
constexpr size_t kIdsPerMessage = 10'000;
// Metadata alone; keeps a Commit message well under the server's receive limit.
constexpr size_t kCommitMessageBytes = 2 << 20;
constexpr auto kUnaryDeadline = std::chrono::seconds(60);
// Longer than the channel waits between two tries.
constexpr auto kReconnectWithin = std::chrono::milliseconds(1500);
constexpr auto kLookInterval = std::chrono::milliseconds(100);

absl::StatusOr<TravellingChunk> Unpack(v1::PackedChunk* packed) {
  const auto id = ChunkId::FromBytes(packed->id());
  if (!id.has_value()) return DataLoss("the server sent a chunk id that is not 32 bytes");
  TravellingChunk chunk;
  chunk.id = *id;
  chunk.kind = packed->kind() == v1::CHUNK_KIND_LIST ? ChunkKind::kList : ChunkKind::kData;
  chunk.frame = absl::Cord(std::move(*packed->mutable_frame()));
  return chunk;
}

absl::StatusOr<WelcomeInfo> ToWelcome(const v1::Welcome& message) {
  WelcomeInfo welcome;
  welcome.folder = message.folder_id();
  welcome.server_id = message.server_id();
  for (const v1::Incarnation& row : message.incarnations()) {
    FS_ASSIGN_OR_RETURN(Incarnation incarnation, FromProto(row));
    welcome.incarnations.push_back(std::move(incarnation));
  }
  if (welcome.incarnations.empty()) return DataLoss("the server sent no incarnation");
  welcome.head_version = message.head_version();
  welcome.cursor_known = message.cursor_known();
  welcome.last_batch = message.last_batch();
  welcome.had_version = message.had_version();
  welcome.forgotten = message.forgotten();
  welcome.observing = message.observing();
  const v1::Limits& limits = message.limits();
  if (limits.changes_per_message() > 0) welcome.changes_per_message = limits.changes_per_message();
  if (limits.changes_per_batch() > 0) welcome.changes_per_batch = limits.changes_per_batch();
  if (limits.inline_bytes() > 0) welcome.inline_bytes = limits.inline_bytes();
  if (message.has_rules()) welcome.rules = message.rules().ignore();
  return welcome;
}

absl::StatusOr<RemoteSlice> ToSlice(v1::Changes* message) {
  RemoteSlice slice;
  slice.entries.reserve(message->entries_size());
  for (const v1::Entry& proto : message->entries()) {
    FS_ASSIGN_OR_RETURN(Entry entry, FromProto(proto));
    slice.entries.push_back(std::move(entry));
  }
  for (v1::PackedChunk& packed : *message->mutable_inline_chunks()) {
    FS_ASSIGN_OR_RETURN(TravellingChunk chunk, Unpack(&packed));
    slice.inline_chunks.push_back(std::move(chunk));
  }
  FS_ASSIGN_OR_RETURN(slice.through, FromProto(message->through()));
  slice.head_version = message->head_version();
  slice.more_of_commit = message->more_of_commit();
  return slice;
}

using SyncStream = grpc::ClientReaderWriter<v1::SyncRequest, v1::SyncResponse>;

class GrpcLink final : public ServerLink {
 public:
  GrpcLink(const std::shared_ptr<grpc::Channel>& channel, TransferLimits* limits,
           FolderPriority priority)
      : channel_(channel),
        sync_(v1::SyncService::NewStub(channel)),
        chunks_(v1::ChunkService::NewStub(channel)),
        limits_(limits),
        priority_(priority) {}

  ~GrpcLink() override {
    Shutdown();
    if (reader_.joinable()) reader_.join();
  }

  void Shutdown() override {
    calls_.Shutdown();
    Disconnect();
  }

  void Connect(const HelloInfo& hello, LinkListener* listener) override {
    if (reader_.joinable()) reader_.join();
    {
      absl::MutexLock lock(&mutex_);
      context_ = std::make_unique<grpc::ClientContext>();
      context_->set_wait_for_ready(false);
      disconnected_ = false;
    }
    reader_ = std::thread([this, hello, listener] { Read(hello, listener); });
  }

  void Disconnect() override {
    absl::MutexLock lock(&mutex_);
    disconnected_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

  absl::Status SendCommit(uint64_t batch, const std::vector<Change>& changes,
                          const std::vector<TravellingChunk>& inline_chunks) override {
    // All messages of one batch go out together.
    absl::MutexLock lock(&write_mutex_);
    v1::SyncRequest request;
    v1::Commit* commit = request.mutable_commit();
    commit->set_batch(batch);
    size_t content = 0;
    for (const TravellingChunk& chunk : inline_chunks) {
      ToProto(StoredChunk{chunk.id, chunk.kind, chunk.frame}, commit->add_inline_chunks());
      content += chunk.frame.size();
    }
    limits_->up.Acquire(content, TransferPriority::kInteractive, priority_);
    bytes_sent_ += content;
    size_t bytes = 0;
    for (const Change& change : changes) {
      v1::Change* proto = commit->add_changes();
      ToProto(change, proto);
      bytes += proto->ByteSizeLong();
      if (&change == &changes.back()) break;
      if (commit->changes_size() < 1000 && bytes < kCommitMessageBytes) continue;
      commit->set_more(true);
      FS_RETURN_IF_ERROR(Write(request));
      commit->Clear();
      commit->set_batch(batch);
      bytes = 0;
    }
    return Write(request);
  }

  absl::Status SendApplied(const Cursor& cursor) override {
    v1::SyncRequest request;
    ToProto(cursor, request.mutable_applied()->mutable_cursor());
    absl::MutexLock lock(&write_mutex_);
    return Write(request);
  }

  absl::Status SendHeldConflicts(const ConflictReport& report) override {
    v1::SyncRequest request;
    ToProto(report, request.mutable_held_conflicts());
    absl::MutexLock lock(&write_mutex_);
    return Write(request);
  }

  absl::StatusOr<std::vector<ChunkId>> FindMissingChunks(FolderId folder,
                                                         const std::vector<ChunkId>& ids) override {
    std::vector<ChunkId> missing;
    for (size_t begin = 0; begin < ids.size(); begin += kIdsPerMessage) {
      v1::FindMissingChunksRequest request;
      request.set_folder_id(folder);
      const size_t end = std::min(ids.size(), begin + kIdsPerMessage);
      for (size_t i = begin; i < end; ++i) request.add_ids(std::string(ids[i].bytes()));
      CallContext context(&calls_);
      context->set_deadline(std::chrono::system_clock::now() + kUnaryDeadline);
      v1::FindMissingChunksResponse response;
      FS_RETURN_IF_ERROR(
          Annotate(FromGrpc(chunks_->FindMissingChunks(context.get(), request, &response)),
                   "asking which chunks are missing"));
      for (const std::string& bytes : response.missing()) {
        const auto id = ChunkId::FromBytes(bytes);
        if (!id.has_value()) return DataLoss("the server sent a chunk id that is not 32 bytes");
        missing.push_back(*id);
      }
    }
    return missing;
  }

  absl::StatusOr<std::unique_ptr<ChunkUpload>> Upload(FolderId folder,
                                                      const std::string& agent_id) override {
    return StartUpload({channel_.get(), &calls_, limits_, priority_, &bytes_sent_}, folder,
                       agent_id);
  }

  absl::Status Download(
      FolderId folder, const std::vector<ChunkId>& ids,
      const std::function<absl::Status(size_t index, absl::Cord frame)>& take) override {
    for (size_t begin = 0; begin < ids.size(); begin += kIdsPerMessage) {
      const size_t end = std::min(ids.size(), begin + kIdsPerMessage);
      FS_RETURN_IF_ERROR(DownloadSome(folder, ids, begin, end, take));
    }
    return absl::OkStatus();
  }

  uint64_t BytesSent() const override { return bytes_sent_; }
  uint64_t BytesReceived() const override { return bytes_received_; }

 private:
  absl::Status DownloadSome(
      FolderId folder, const std::vector<ChunkId>& ids, size_t begin, size_t end,
      const std::function<absl::Status(size_t index, absl::Cord frame)>& take) {
    v1::DownloadChunksRequest request;
    request.set_folder_id(folder);
    for (size_t i = begin; i < end; ++i) request.add_ids(std::string(ids[i].bytes()));
    const TransferSlots::Slot slot = limits_->slots.Acquire(priority_);
    CallContext context(&calls_);
    const auto stream = StartDownload(channel_.get(), context.get(), request);
    size_t next = begin;
    absl::Status taken;
    grpc::ByteBuffer response;
    while (taken.ok() && stream->Read(&response)) {
      // What is not read holds the server's sending up.
      limits_->down.Acquire(response.Length(), TransferPriority::kBulk, priority_);
      absl::StatusOr<std::vector<StoredChunk>> chunks = ParseDownload(response);
      taken = chunks.status();
      if (!taken.ok()) break;
      for (StoredChunk& chunk : *chunks) {
        if (next == end || chunk.id != ids[next]) {
          taken = DataLoss("the server sent chunks that were not asked for");
          break;
        }
        bytes_received_ += chunk.frame.size();
        taken = take(next++, std::move(chunk.frame));
        if (!taken.ok()) break;
      }
    }
    if (!taken.ok()) context->TryCancel();
    const absl::Status finished = FromGrpc(stream->Finish());
    FS_RETURN_IF_ERROR(taken);
    FS_RETURN_IF_ERROR(Annotate(finished, "download"));
    if (next != end) return DataLoss("the server sent fewer chunks than asked for");
    return absl::OkStatus();
  }

  absl::Status Write(const v1::SyncRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    std::shared_ptr<SyncStream> stream;
    {
      absl::MutexLock lock(&mutex_);
      stream = stream_;
    }
    if (stream == nullptr || !stream->Write(request)) return Unavailable("not connected");
    return absl::OkStatus();
  }

  // Lets the channel connect. A channel that has failed before tries again by itself, at most a
  // second later, but gets on only while somebody waits for it: else gRPC looks at its sockets
  // every five seconds. A call would fail meanwhile, however long the server is back.
  void AwaitChannel() {
    const bool failed_before = channel_->GetState(true) == GRPC_CHANNEL_TRANSIENT_FAILURE;
    const auto deadline = std::chrono::system_clock::now() + kReconnectWithin;
    while (!disconnected_) {
      const grpc_connectivity_state state = channel_->GetState(true);
      const auto now = std::chrono::system_clock::now();
      const bool refused = state == GRPC_CHANNEL_TRANSIENT_FAILURE && !failed_before;
      if (state == GRPC_CHANNEL_READY || refused || now >= deadline) return;
      channel_->WaitForStateChange(state, std::min(deadline, now + kLookInterval));
    }
  }

  // The reader thread's body: Hello, then whatever comes until the stream ends.
  void Read(const HelloInfo& hello, LinkListener* listener) {
    partial_ = CommitResult();
    AwaitChannel();
    grpc::ClientContext* context = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      context = context_.get();
    }
    // Without the lock, as this may wait for the network; Disconnect ends it.
    std::shared_ptr<SyncStream> stream = sync_->Sync(context);
    {
      absl::MutexLock lock(&mutex_);
      stream_ = stream;
    }
    {
      v1::SyncRequest request;
      v1::Hello* message = request.mutable_hello();
      message->set_protocol(kProtocol);
      message->set_agent_id(hello.agent_id);
      message->set_agent_name(hello.agent_name);
      message->set_folder(hello.folder);
      message->set_create_folder(!hello.observe);
      message->set_observe(hello.observe);
      message->set_upcoming(hello.upcoming);
      ToProto(hello.cursor, message->mutable_cursor());
      message->set_software(fmt::format("syncagent {}", kVersion));
      absl::MutexLock lock(&write_mutex_);
      stream->Write(request);
    }
    absl::Status broken;
    v1::SyncResponse response;
    while (broken.ok() && stream->Read(&response)) broken = Handle(&response, listener);
    if (!broken.ok()) Disconnect();
    {
      // No writer may hold the stream when it is finished.
      absl::MutexLock write_lock(&write_mutex_);
      absl::MutexLock lock(&mutex_);
      stream_.reset();
    }
    const absl::Status finished = FromGrpc(stream->Finish());
    if (broken.ok()) {
      broken = finished.ok() ? Unavailable("the server ended the stream") : finished;
    }
    stream.reset();
    listener->OnClosed(broken);
  }

  absl::Status Handle(v1::SyncResponse* response, LinkListener* listener) {
    switch (response->message_case()) {
      case v1::SyncResponse::kWelcome: {
        FS_ASSIGN_OR_RETURN(WelcomeInfo welcome, ToWelcome(response->welcome()));
        listener->OnWelcome(std::move(welcome));
        return absl::OkStatus();
      }
      case v1::SyncResponse::kChanges: {
        FS_ASSIGN_OR_RETURN(RemoteSlice slice, ToSlice(response->mutable_changes()));
        size_t content = 0;
        for (const TravellingChunk& chunk : slice.inline_chunks) content += chunk.frame.size();
        limits_->down.Acquire(content, TransferPriority::kInteractive, priority_);
        bytes_received_ += content;
        listener->OnChanges(std::move(slice));
        return absl::OkStatus();
      }
      case v1::SyncResponse::kCommitResult:
        return HandleCommitResult(response->commit_result(), listener);
      case v1::SyncResponse::kUpcoming: {
        FS_ASSIGN_OR_RETURN(UpcomingPart part, FromProto(response->upcoming().part()));
        listener->OnUpcoming(response->upcoming().agent_id(), std::move(part));
        return absl::OkStatus();
      }
      case v1::SyncResponse::kNotice:
        if (response->notice().has_going_away()) {
          listener->OnGoingAway(
              absl::Milliseconds(response->notice().going_away().reconnect_after_ms()));
        }
        if (response->notice().has_rules()) {
          listener->OnFolderRules(
              std::move(*response->mutable_notice()->mutable_rules()->mutable_ignore()));
        }
        return absl::OkStatus();
      case v1::SyncResponse::kHeldConflictsRecorded:
        listener->OnConflictsRecorded();
        return absl::OkStatus();
      case v1::SyncResponse::MESSAGE_NOT_SET:
        return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  absl::Status HandleCommitResult(const v1::CommitResult& message, LinkListener* listener) {
    for (const v1::ChangeOutcome& proto : message.outcomes()) {
      FS_ASSIGN_OR_RETURN(ChangeOutcome outcome, FromProto(proto));
      partial_.outcomes.push_back(std::move(outcome));
    }
    if (message.more()) return absl::OkStatus();
    partial_.head_version = message.head_version();
    listener->OnCommitResult(message.batch(), std::exchange(partial_, {}), message.failure());
    return absl::OkStatus();
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::SyncService::Stub> sync_;
  const std::unique_ptr<v1::ChunkService::Stub> chunks_;
  TransferLimits* const limits_;
  const FolderPriority priority_;
  ActiveCalls calls_;
  std::atomic<uint64_t> bytes_sent_ = 0;
  std::atomic<uint64_t> bytes_received_ = 0;
  // Outcomes of a commit whose answer comes in several messages; the reader thread's.
  CommitResult partial_;
  std::thread reader_;

  absl::Mutex write_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex mutex_;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<SyncStream> stream_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> disconnected_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServerLink>> NewGrpcLink(const std::string& target,
                                                        TransferLimits* limits,
                                                        FolderPriority priority) {
  FS_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, NewChannel(target));
  return std::unique_ptr<ServerLink>(new GrpcLink(channel, limits, priority));
}

}  // namespace filesync
