// ServerLink: all the engine knows of the server. The gRPC form is grpc_link.h; tests and the
// simulation have others. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "libs/content/content.h"
#include "libs/metadata/metadata_store.h"
#include "libs/model/conflict.h"
#include "libs/model/entry.h"
#include "libs/model/upcoming.h"

namespace filesync {

// A chunk as it travels.
struct TravellingChunk {
  ChunkId id;
  ChunkKind kind = ChunkKind::kData;
  absl::Cord frame;
};

struct HelloInfo {
  std::string agent_id;  // 16 bytes
  std::string agent_name;
  std::string folder;
  Cursor cursor;
  // Only look: see PlannedLink. All of the folder is sent, and nothing may be committed.
  bool observe = false;
  // Tell what others are sending; see LinkListener::OnUpcoming.
  bool upcoming = false;
};

struct WelcomeInfo {
  FolderId folder = 0;
  std::string server_id;
  std::vector<Incarnation> incarnations;
  uint64_t head_version = 0;
  bool cursor_known = true;
  uint64_t last_batch = 0;
  uint64_t had_version = 0;  // the highest that this agent ever said to have applied
  bool forgotten = false;    // the server has forgotten this agent: all bases must be dropped
  bool observing = false;    // HelloInfo's `observe` was understood
  size_t changes_per_message = 1000;
  size_t changes_per_batch = 200'000;
  size_t inline_bytes = 64 << 10;
  // The folder's own ignore rules, as the text of a .syncignore file; nullopt: the server has none
  // to tell of.
  std::optional<std::string> rules;
};

struct RemoteSlice {
  std::vector<Entry> entries;
  std::vector<TravellingChunk> inline_chunks;
  Cursor through;
  uint64_t head_version = 0;
  bool more_of_commit = false;
};

// Called from the link's own thread, one at a time, between Connect and OnClosed.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  virtual void OnWelcome(WelcomeInfo welcome) = 0;
  // May block: nothing more is read until it returns, so a slow agent slows the server's
  // sending and no queue grows.
  virtual void OnChanges(RemoteSlice slice) = 0;
  // `failure` not empty: the batch as a whole failed, nothing of it was committed.
  virtual void OnCommitResult(uint64_t batch, CommitResult result, std::string failure) = 0;
  // The server keeps the last report of conflicts.
  virtual void OnConflictsRecorded() = 0;
  // The folder's own ignore rules are these from now on.
  virtual void OnFolderRules(std::string rules) = 0;
  // The agent `agent_id` has so much on the server of a file that it did not commit yet. Only a
  // hint.
  virtual void OnUpcoming(std::string agent_id, UpcomingPart part) = 0;
  // The server asks to come back after this long.
  virtual void OnGoingAway(absl::Duration reconnect_after) = 0;
  // The stream is over; always the last call of a connection.
  virtual void OnClosed(absl::Status status) = 0;
};

// One upload in progress; one thread.
class ChunkUpload {
 public:
  virtual ~ChunkUpload() = default;
  // Queues chunks (about 1 MiB at a time); blocks while too much is unacknowledged. `part`: what
  // is on the server with them of a new file, for others to be told.
  virtual absl::Status Send(std::vector<TravellingChunk> chunks,
                            std::optional<UpcomingPart> part) = 0;
  // Returns when everything sent so far is stored on the server.
  virtual absl::Status Flush() = 0;
};

class ServerLink {
 public:
  virtual ~ServerLink() = default;
  // Starts a connection attempt; what becomes of it arrives at `listener`, which must outlive
  // the link. Not called again before OnClosed.
  virtual void Connect(const HelloInfo& hello, LinkListener* listener) = 0;
  // Ends the stream; OnClosed follows.
  virtual void Disconnect() = 0;
  // Ends everything that is under way, for good: all further calls fail.
  virtual void Shutdown() = 0;

  virtual absl::Status SendCommit(uint64_t batch, const std::vector<Change>& changes,
                                  const std::vector<TravellingChunk>& inline_chunks) = 0;
  virtual absl::Status SendApplied(const Cursor& cursor) = 0;
  // All that waits for a person here; OnConflictsRecorded follows.
  virtual absl::Status SendHeldConflicts(const ConflictReport& report) = 0;

  // Any number of ids; the link splits them into messages.
  virtual absl::StatusOr<std::vector<ChunkId>> FindMissingChunks(
      FolderId folder, const std::vector<ChunkId>& ids) = 0;
  virtual absl::StatusOr<std::unique_ptr<ChunkUpload>> Upload(FolderId folder,
                                                              const std::string& agent_id) = 0;
  // Calls `take` for each id in order, until all came or `take` fails.
  virtual absl::Status Download(
      FolderId folder, const std::vector<ChunkId>& ids,
      const std::function<absl::Status(size_t index, absl::Cord frame)>& take) = 0;

  // Bytes of chunk frames since the start.
  virtual uint64_t BytesSent() const = 0;
  virtual uint64_t BytesReceived() const = 0;
};

}  // namespace filesync
