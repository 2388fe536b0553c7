// ActionList: what a run does to one directory, in the order of paths, and how it is said to
// people: the same list whether it was done or only planned. Thread-safe.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/pending_list.h"
#include "agent/engine/sync_event.h"
#include "agent/engine/sync_status.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

class ActionList {
 public:
  // Failures and held conflicts are left to AddUnsettled: they may still come right.
  void Add(const SyncEvent& event);
  // What failed or is held when the run ends.
  void AddUnsettled(const PendingList& pending);
  // With the directory as `status` tells it.
  void Fill(const SyncStatus& status, control::v1::LocationReport* report) const;

 private:
  void Put(control::v1::PlannedAction action);

  mutable absl::Mutex mutex_;
  using Key = std::tuple<RelPath, int, std::string>;
  std::map<Key, control::v1::PlannedAction> actions_ ABSL_GUARDED_BY(mutex_);
};

control::v1::PlannedAction ToProto(const PendingPath& pending);

// "would send a/b (12.0 KiB): new here".
std::string DescribePlanned(const control::v1::PlannedAction& action);
// "send a/b: new here".
std::string DescribePending(const control::v1::PlannedAction& action);
// "3 to send (12.0 KiB), 1 to delete here"; "nothing to do".
std::string DescribeTotals(const control::v1::LocationReport& report);

}  // namespace filesync
