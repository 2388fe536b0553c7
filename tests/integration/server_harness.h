// ServerHarness: a real server in this process, on a free port and a directory of its own, and
// raw clients that speak the protocol by hand, as no agent would. For tests; thread-compatible.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "filesync/v1/admin.grpc.pb.h"
#include "filesync/v1/chunk.grpc.pb.h"
#include "filesync/v1/sync.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/content/content.h"
#include "libs/telemetry/log.h"
#include "services/syncd/server.h"

namespace filesync {

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string path() const { return path_; }

 private:
  std::string path_;
};

class ServerHarness {
 public:
  // Starts on `data`; fails the test when that does not work.
  explicit ServerHarness(std::string data);

  // Stops (cleanly, at once) and starts again on the same directory.
  void Restart();
  void Stop();
  void Start();

  SyncServer& server() { return *server_; }
  const ServerConfig& config() const { return config_; }
  const Clock* clock() const { return &clock_; }
  Logger* log() { return &log_; }
  // A new connection each time.
  std::shared_ptr<grpc::Channel> Connect() const;
  // The server may still be writing to it.
  std::string log_text() const {
    absl::MutexLock lock(&log_text_->mutex);
    return log_text_->lines;
  }

 private:
  ServerConfig config_;
  RealClock clock_;
  struct LogText {
    absl::Mutex mutex;
    std::string lines ABSL_GUARDED_BY(mutex);
  };
  const std::shared_ptr<LogText> log_text_ = std::make_shared<LogText>();
  Logger log_;
  std::unique_ptr<SyncServer> server_;
};

// A Sync stream. Every call gives up after 30 s.
class RawStream {
 public:
  RawStream(std::shared_ptr<grpc::Channel> channel, std::string agent_id);
  ~RawStream();

  // Sends Hello and returns the answer; nullopt when the stream ended instead.
  std::optional<v1::Welcome> Hello(const std::string& folder, const v1::Cursor& cursor = {},
                                   bool create = true);
  // The same for a stream that only looks.
  std::optional<v1::Welcome> Observe(const std::string& folder, const v1::Cursor& cursor = {});
  // The same for one that wants to hear what others are sending.
  std::optional<v1::Welcome> HelloForUpcoming(const std::string& folder);
  bool Write(const v1::SyncRequest& request) { return stream_->Write(request); }
  std::optional<v1::SyncResponse> Read();
  // Sends one commit and returns its whole answer, with all its parts put together; Changes
  // that come before it are kept for ReadChanges.
  std::optional<v1::CommitResult> Commit(const v1::Commit& commit);
  std::optional<v1::CommitResult> ReadCommitResult();
  std::optional<v1::Changes> ReadChanges();
  // Reads slices until the cursor is at `version`; all their entries.
  std::vector<v1::Entry> ReadThrough(uint64_t version, v1::Cursor* cursor = nullptr);
  // Ends the stream from this side and returns the server's status.
  grpc::Status Finish();
  // Reads to the end that the server makes, and returns its status.
  grpc::Status DrainToEnd();
  int commit_messages() const { return commit_messages_; }

 private:
  v1::SyncRequest NewHello(const std::string& folder, const v1::Cursor& cursor) const;
  std::optional<v1::Welcome> Greet(const v1::SyncRequest& hello);
  grpc::ClientContext context_;
  const std::string agent_id_;
  std::unique_ptr<v1::SyncService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SyncRequest, v1::SyncResponse>> stream_;
  std::vector<v1::Changes> kept_;
  int commit_messages_ = 0;
  bool finished_ = false;
};

std::string AgentId(char which);  // 16 bytes
v1::PackedChunk Pack(const std::string& plain, ChunkKind kind = ChunkKind::kData);
v1::Entry FileEntry(const std::string& path, const std::vector<std::string>& chunks);
v1::Entry DirectoryEntry(const std::string& path);
v1::Entry Tombstone(const std::string& path);
v1::Change ChangeOf(const v1::Entry& entry, uint64_t base_version = 0);
// A commit of files whose content travels along.
v1::Commit CommitOf(uint64_t batch, const std::vector<v1::Change>& changes,
                    const std::vector<std::string>& inline_chunks = {});

void SetDeadline(grpc::ClientContext& context);

}  // namespace filesync
