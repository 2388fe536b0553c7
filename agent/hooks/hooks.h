// Hooks: programs that are run when a location becomes in sync after changes (on-synced), when a
// conflict was settled or is held (on-conflict), and when something could not be synced or nothing
// goes on (on-error). Each gets the changes on stdin; see hook_line.h.
//
// OnEvent and OnStatus are to be called in the order in which things happen at each location, as
// SyncManager's callbacks are; they wait for nothing. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/sync_manager.h"
#include "agent/hooks/hook_queue.h"

namespace filesync {

struct HookOptions {
  // Programs with their arguments, see ParseHookCommand; empty: none.
  std::vector<std::string> on_synced;
  std::vector<std::string> on_conflict;
  std::vector<std::string> on_error;
  absl::Duration time_limit = absl::Seconds(60);
  friend bool operator==(const HookOptions&, const HookOptions&) = default;
};

class Hooks {
 public:
  // The clock and the log must outlive it.
  Hooks(const HookOptions& options, Clock* clock, Logger* log);

  void OnEvent(const LocationName& name, const SyncEvent& event);
  void OnStatus(const LocationName& name, const SyncStatus& status);

  // No hook runs or is due.
  bool Idle() const;
  // Ends hooks under way within seconds, and runs no more.
  void Stop();

 private:
  const HookPlace& PlaceOf(const LocationName& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  std::unique_ptr<HookQueue> synced_;
  std::unique_ptr<HookQueue> conflict_;
  std::unique_ptr<HookQueue> error_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, HookPlace> places_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, bool> halted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
