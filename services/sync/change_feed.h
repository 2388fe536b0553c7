// ChangeFeed: what one agent is sent of a folder, message by message, from a cursor on.
// Nothing is queued: each message is read from the store when it is wanted.
//
// What the agent itself committed on this stream, and so knows, is left out; a message then
// only moves its cursor. Content of small files rides along. Thread-compatible.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "filesync/v1/sync.pb.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

// A set of versions, added in ascending order (as commits are), kept as ranges.
class VersionSet {
 public:
  void Add(uint64_t version);
  bool Contains(uint64_t version) const;
  void ForgetThrough(uint64_t version);

 private:
  std::deque<std::pair<uint64_t, uint64_t>> ranges_;  // first and last, ascending
};

class ChangeFeed {
 public:
  struct Options {
    FolderId folder = 0;
    std::string agent_id;     // whose feed it is
    std::string incarnation;  // the current one
    uint64_t after = 0;
    size_t max_entries = 1000;
    size_t max_bytes = 1 << 20;
    bool inline_chunks = true;
  };
  struct Message {
    v1::Changes changes;
    // When the last entry was committed, nanoseconds since the epoch; 0: there is none, or it
    // is from before this feed began.
    int64_t committed_at_ns = 0;
  };

  // The stores must outlive the feed. `head`: published when the feed begins.
  ChangeFeed(MetadataStore* metadata, ChunkStore* chunks, Options options, uint64_t head);

  // The next message; nullopt when the cursor is at the head.
  absl::StatusOr<std::optional<Message>> Next();
  uint64_t cursor() const { return cursor_; }
  // The agent has been told that it committed this version.
  void AddOwn(uint64_t version) { own_.Add(version); }

 private:
  absl::Status AttachInlineChunks(const std::vector<const Entry*>& entries, v1::Changes& changes);

  MetadataStore* const metadata_;
  ChunkStore* const chunks_;
  const Options options_;
  const uint64_t first_head_;
  uint64_t cursor_;
  VersionSet own_;
};

}  // namespace filesync
