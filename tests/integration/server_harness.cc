#include "tests/integration/server_harness.h"

#include <stdlib.h>

#include "libs/chunking/content_list.h"
#include "libs/content/frame.h"
#include "libs/content/hasher.h"
#include "libs/wire/channel.h"
#include "libs/wire/convert.h"

namespace filesync {

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "filesync-test-XXXXXX").string();
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ServerHarness::ServerHarness(std::string data)
    : log_(LogLevel::kInfo, [text = log_text_](LogLevel, std::string_view line) {
        absl::MutexLock lock(&text->mutex);
        text->lines.append(line).append("\n");
      }) {
  config_.listen = {"127.0.0.1", 0};
  config_.http = Endpoint{"127.0.0.1", 0};
  config_.data = std::move(data);
  Start();
}

void ServerHarness::Start() {
  auto server = SyncServer::Start(config_, &clock_, &log_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

void ServerHarness::Stop() { server_.reset(); }

void ServerHarness::Restart() {
  Stop();
  Start();
}

std::shared_ptr<grpc::Channel> ServerHarness::Connect() const {
  return *NewChannel("127.0.0.1:" + std::to_string(server_->port()));
}

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

RawStream::RawStream(std::shared_ptr<grpc::Channel> channel, std::string agent_id)
    : agent_id_(std::move(agent_id)), stub_(v1::SyncService::NewStub(channel)) {
  SetDeadline(context_);
  stream_ = stub_->Sync(&context_);
}

RawStream::~RawStream() {
  if (finished_) return;
  context_.TryCancel();
  (void)DrainToEnd();
}

std::optional<v1::Welcome> RawStream::Hello(const std::string& folder, const v1::Cursor& cursor,
                                            bool create) {
  v1::SyncRequest request = NewHello(folder, cursor);
  request.mutable_hello()->set_create_folder(create);
  return Greet(request);
}

std::optional<v1::Welcome> RawStream::Observe(const std::string& folder, const v1::Cursor& cursor) {
  v1::SyncRequest request = NewHello(folder, cursor);
  request.mutable_hello()->set_observe(true);
  return Greet(request);
}

std::optional<v1::Welcome> RawStream::HelloForUpcoming(const std::string& folder) {
  v1::SyncRequest request = NewHello(folder, {});
  request.mutable_hello()->set_upcoming(true);
  return Greet(request);
}

v1::SyncRequest RawStream::NewHello(const std::string& folder, const v1::Cursor& cursor) const {
  v1::SyncRequest request;
  v1::Hello* hello = request.mutable_hello();
  hello->set_protocol(1);
  hello->set_agent_id(agent_id_);
  hello->set_agent_name("agent-" + agent_id_.substr(0, 1));
  hello->set_folder(folder);
  hello->set_create_folder(true);
  *hello->mutable_cursor() = cursor;
  return request;
}

std::optional<v1::Welcome> RawStream::Greet(const v1::SyncRequest& hello) {
  Write(hello);
  std::optional<v1::SyncResponse> response = Read();
  if (!response.has_value() || !response->has_welcome()) return std::nullopt;
  return response->welcome();
}

std::optional<v1::SyncResponse> RawStream::Read() {
  v1::SyncResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

std::optional<v1::CommitResult> RawStream::Commit(const v1::Commit& commit) {
  v1::SyncRequest request;
  *request.mutable_commit() = commit;
  if (!Write(request)) return std::nullopt;
  return ReadCommitResult();
}

std::optional<v1::CommitResult> RawStream::ReadCommitResult() {
  v1::CommitResult whole;
  commit_messages_ = 0;
  while (std::optional<v1::SyncResponse> response = Read()) {
    if (response->has_changes()) kept_.push_back(response->changes());
    if (!response->has_commit_result()) continue;
    ++commit_messages_;
    const bool more = response->commit_result().more();
    whole.MergeFrom(response->commit_result());
    if (more) continue;
    whole.set_more(false);
    return whole;
  }
  return std::nullopt;
}

std::optional<v1::Changes> RawStream::ReadChanges() {
  if (!kept_.empty()) {
    v1::Changes first = kept_.front();
    kept_.erase(kept_.begin());
    return first;
  }
  while (std::optional<v1::SyncResponse> response = Read()) {
    if (response->has_changes()) return response->changes();
  }
  return std::nullopt;
}

std::vector<v1::Entry> RawStream::ReadThrough(uint64_t version, v1::Cursor* cursor) {
  std::vector<v1::Entry> entries;
  while (std::optional<v1::Changes> changes = ReadChanges()) {
    entries.insert(entries.end(), changes->entries().begin(), changes->entries().end());
    if (cursor != nullptr) *cursor = changes->through();
    if (changes->through().version() >= version) return entries;
  }
  ADD_FAILURE() << "the stream ended before version " << version << ": "
                << Finish().error_message();
  return entries;
}

grpc::Status RawStream::Finish() {
  stream_->WritesDone();
  return DrainToEnd();
}

grpc::Status RawStream::DrainToEnd() {
  while (Read().has_value()) {
  }
  finished_ = true;
  return stream_->Finish();
}

std::string AgentId(char which) { return std::string(kAgentIdBytes, which); }

v1::PackedChunk Pack(const std::string& plain, ChunkKind kind) {
  v1::PackedChunk packed;
  ToProto(StoredChunk{HashChunk(kind, plain), kind, absl::Cord(EncodeFrame(plain))}, &packed);
  return packed;
}

v1::Entry FileEntry(const std::string& path, const std::vector<std::string>& chunks) {
  ContentBuilder builder(64 << 10);
  for (const std::string& plain : chunks) {
    builder.Add({HashChunk(ChunkKind::kData, plain), static_cast<uint32_t>(plain.size())});
  }
  std::vector<ListPiece> pieces;
  v1::Entry entry;
  entry.set_path(path);
  entry.set_type(v1::ENTRY_TYPE_FILE);
  entry.set_mode(0644);
  entry.set_mtime_ns(1'700'000'000'123'456'789);
  ToProto(*builder.Finish(pieces), entry.mutable_content());
  return entry;
}

v1::Entry DirectoryEntry(const std::string& path) {
  v1::Entry entry;
  entry.set_path(path);
  entry.set_type(v1::ENTRY_TYPE_DIRECTORY);
  entry.set_mode(0755);
  return entry;
}

v1::Entry Tombstone(const std::string& path) {
  v1::Entry entry;
  entry.set_path(path);
  entry.set_type(v1::ENTRY_TYPE_TOMBSTONE);
  return entry;
}

v1::Change ChangeOf(const v1::Entry& entry, uint64_t base_version) {
  v1::Change change;
  *change.mutable_entry() = entry;
  change.set_base_version(base_version);
  return change;
}

v1::Commit CommitOf(uint64_t batch, const std::vector<v1::Change>& changes,
                    const std::vector<std::string>& inline_chunks) {
  v1::Commit commit;
  commit.set_batch(batch);
  for (const v1::Change& change : changes) *commit.add_changes() = change;
  for (const std::string& plain : inline_chunks) *commit.add_inline_chunks() = Pack(plain);
  return commit;
}

}  // namespace filesync
