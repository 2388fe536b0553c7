// SyncStatus: what the engine says of one location. Value types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/model/modes.h"

namespace filesync {

enum class SyncState : uint8_t {
  kScanning,
  kSyncing,
  kInSync,
  kIncomplete,
  kOffline,
  kPaused,
  kHeld,
  kHalted,
};
std::string_view SyncStateName(SyncState state);

struct FailedPathInfo {
  std::string path;  // for people
  std::string reason;
  int attempts = 0;
};

// What an engine says of itself; a copy.
struct SyncStatus {
  std::string directory;
  std::string folder;
  std::string server;
  Mode mode = Mode::kTwoWay;
  std::string agent_id;  // hex
  std::string agent_name;
  SyncState state = SyncState::kScanning;
  std::string state_text;  // for people, e.g. "offline (retry in 3 s)"
  bool ever_connected = false;
  uint64_t connection_failures = 0;  // in a row
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t pending_local = 0;
  uint64_t pending_remote = 0;
  std::vector<std::string> pending_paths;  // some, for people
  std::vector<FailedPathInfo> failed_paths;
  uint64_t failed_count = 0;
  // What waits for a person: what is gone or replaced here and the folder does not follow …
  uint64_t held_deletions = 0;
  uint64_t held_replacements = 0;
  // … and what came from the folder and would delete or replace here.
  uint64_t held_incoming_deletions = 0;
  uint64_t held_incoming_replacements = 0;
  uint64_t held() const {
    return held_deletions + held_replacements + held_incoming_deletions +
           held_incoming_replacements;
  }
  // Of these, as paths: what one side's winning would cost the other.
  uint64_t held_for_winner = 0;
  // Of the failures, conflicts that wait for a person.
  uint64_t held_conflicts = 0;
  // Failures that stood after several tries: waiting does not help.
  uint64_t settled_failures = 0;
  std::string last_error;
  absl::Time last_error_at = absl::InfinitePast();
  uint64_t applied_version = 0;
  uint64_t head_version = 0;
  uint64_t conflicts = 0;
  uint64_t commits = 0;
  uint64_t scans = 0;
  double scan_seconds = 0;
  uint64_t reconnects = 0;
  uint64_t bytes_hashed = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_saved = 0;  // both of the next two
  uint64_t bytes_saved_by_deduplication = 0;
  uint64_t bytes_saved_by_compression = 0;
  // Entries since the start: sent and received (directories and symlinks too), deleted, and
  // renamed here or there.
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t deleted_there = 0;
  uint64_t deleted_here = 0;
  uint64_t moved = 0;
  // How many of the calls of LocationSync::RequestScan this status knows of.
  uint64_t scan_requests = 0;
};

}  // namespace filesync
