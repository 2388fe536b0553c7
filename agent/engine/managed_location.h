// ManagedLocation: one location of a SyncManager: its engine, which may be exchanged for one with
// other options, and its schedule. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/location_sync.h"
#include "agent/engine/sync_manager.h"

namespace filesync {

class ManagedLocation {
 public:
  // Both outlive it.
  ManagedLocation(LocationName name, Clock* clock) : clock_(clock), name_(std::move(name)) {}

  LocationName name() const;
  SyncLocation options() const;
  SyncStatus status() const;

  // Puts in an engine that was made with `options`; there must be none.
  void Put(std::unique_ptr<LocationSync> sync, SyncLocation options);
  // Takes the engine out, for the caller to stop without holding anybody up; null if there is none.
  std::unique_ptr<LocationSync> Take();
  // There is no engine, and this is why.
  void SetBroken(const absl::Status& why);
  // It is no location any more.
  void SetRemoved();
  // Starts the engine that is there. Only by who may put in and take out.
  void Start();

  struct View {
    SyncStatus status;
    uint64_t generation = 0;  // counts engines
    bool gone = false;        // broken or removed
  };
  View Look() const;

  absl::Status With(const std::function<absl::Status(LocationSync&)>& use) const;
  // See LocationSync::Reconfigure.
  absl::Status Reconfigure(const LocationSyncOptions& options);

  void SetSchedule(std::optional<CronSchedule> schedule);
  // Rests when all is done until the schedule's next moment, then syncs until all is done.
  void FollowSchedule();
  // Ends a rest, and looks at everything anew.
  struct Request {
    uint64_t generation = 0;  // of the engine that was asked
    uint64_t scan = 0;        // see LocationSync::RequestScan
  };
  Request Wake();

  SyncProgress SampleProgress() const;

 private:
  void EndRest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  mutable absl::Mutex mutex_;
  LocationName name_ ABSL_GUARDED_BY(mutex_);
  SyncLocation options_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<LocationSync> sync_ ABSL_GUARDED_BY(mutex_);
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  SyncStatus last_status_ ABSL_GUARDED_BY(mutex_);  // while there is no engine
  // With a schedule: its next moment, and whether it is waited for.
  absl::Time next_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool resting_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
