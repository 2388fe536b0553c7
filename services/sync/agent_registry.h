// AgentRegistry: which agents a folder has. Admits those that connect, notes how far they are, and
// forgets those that are not to come back.
//
// Invariant: an agent that was forgotten has no row in the store until it has heard of that, so
// that it is told again when it did not. What admits, notes and forgets runs one at a time.
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/metadata/metadata_store.h"
#include "libs/telemetry/log.h"
#include "services/sync/conflict_observers.h"
#include "services/sync/sessions.h"

namespace filesync {

// All of it outlives the registry.
struct AgentRegistryDependencies {
  MetadataStore* metadata = nullptr;
  Sessions* sessions = nullptr;
  ConflictObservers* conflicts = nullptr;
  const Clock* clock = nullptr;
  Logger* log = nullptr;
};

class AgentRegistry {
 public:
  // What is known of an agent when it connects.
  struct Known {
    uint64_t had_version = 0;
    // It was in this folder, and has been forgotten since: it must merge. It is noted only once it
    // has heard of that.
    bool forgotten = false;
    uint64_t session_key = 0;  // 0: it only looks
  };

  explicit AgentRegistry(const AgentRegistryDependencies& dependencies);

  // Of an agent that only looks. `cursor`: as it says, and known to this server.
  absl::StatusOr<Known> Look(FolderId folder, const std::string& agent_id, const Cursor& cursor);
  // Opens a session (see Sessions::Open) and notes it in the store, unless it was forgotten. What
  // `info.applied` says of an agent that was forgotten counts for nothing.
  absl::StatusOr<Known> Admit(SessionInfo info, std::weak_ptr<SessionControl> control);
  // Notes how far the agent is, if `session_key` still is its session.
  absl::Status Note(uint64_t session_key, const SessionInfo& info);

  // FailedPrecondition while the agent is connected to the folder.
  absl::Status CheckAbsent(const FolderInfo& folder, const std::string& agent_id) const;
  // Removes the agent with all that is its. NotFound; FailedPrecondition while it is connected.
  absl::StatusOr<ForgottenAgent> Forget(const FolderInfo& folder, const std::string& agent_id);
  // The server ran for another `elapsed`: forgets whoever was absent for longer than `most`. Only
  // time that the server ran counts, so that nobody is forgotten because it was off, or because its
  // clock was put forward.
  void Age(absl::Duration elapsed, absl::Duration most);

 private:
  absl::StatusOr<Known> Find(FolderId folder, const std::string& agent_id, const Cursor& cursor)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Put(const SessionInfo& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ForgottenAgent> ForgetLocked(const FolderInfo& folder, const std::string& agent_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AgeFolder(const FolderInfo& folder, absl::Duration elapsed, absl::Duration most);

  const AgentRegistryDependencies dependencies_;
  absl::Mutex mutex_;
};

}  // namespace filesync
