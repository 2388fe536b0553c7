// Progress of a location's transfers: ProgressTracker is told by the lanes and the flows what is
// to move and what has moved; SyncProgress is what is told of it. Thread-safe.
//
// Counted are the bytes of files' contents, whether they travel or turn out to be on the other
// side already, so that a file ends at its size. The figures are those of one stretch of work:
// they begin anew with the first transfer after the location was in sync. What is to move is
// what is known of so far, and grows while a scan runs or the server sends more.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/paths/rel_path.h"

namespace filesync {

enum class TransferDirection : uint8_t { kUp, kDown };

// A file whose content is being moved.
struct TransferProgress {
  RelPath path;
  TransferDirection direction = TransferDirection::kUp;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
};

struct SyncProgress {
  uint64_t files_moved = 0;
  uint64_t files_to_move = 0;  // those moved included
  uint64_t bytes_moved = 0;
  uint64_t bytes_to_move = 0;         // those moved included
  double bytes_per_second = 0;        // over the last few seconds
  std::optional<absl::Duration> eta;  // nullopt: nothing moves, so nobody knows
  // Since the location was started: content that did not have to travel because the other side
  // had it, and what compression took off the rest.
  uint64_t bytes_saved_by_deduplication = 0;
  uint64_t bytes_saved_by_compression = 0;
  // Those under way, the ones that began first first; at most kTransfersTold.
  std::vector<TransferProgress> transfers;

  bool Active() const { return files_moved < files_to_move; }
};
inline constexpr size_t kTransfersTold = 16;

// The figures of several locations as one.
SyncProgress Sum(const std::vector<SyncProgress>& parts);

class ProgressTracker {
 public:
  // Found and not looked at yet; and how much of it is not waiting any more.
  void AddWaiting(uint64_t files, uint64_t bytes);
  void TakeWaiting(uint64_t files, uint64_t bytes);
  // Nothing waits: what was counted too often is forgotten.
  void ClearWaiting();

  // The file's content is to be moved. Again: anew.
  void Plan(TransferDirection direction, const RelPath& path, uint64_t bytes);
  // It is under way, and so much of it is where it belongs. Planned if it was not.
  void Begin(TransferDirection direction, const RelPath& path, uint64_t bytes, uint64_t done);
  void Advance(TransferDirection direction, const RelPath& path, uint64_t bytes);
  // All of it arrived. Nothing if it was not planned.
  void Finish(TransferDirection direction, const RelPath& path);
  // It is not to be moved after all, whatever the direction.
  void Drop(const RelPath& path);

  void SavedByDeduplication(uint64_t bytes);
  void SavedByCompression(uint64_t bytes);
  // Both, in this order.
  std::pair<uint64_t, uint64_t> Saved() const;

  // Everything is in sync: what comes next is a new stretch.
  void Settle();
  // Counts files that ended, so that their end can be told at once.
  uint64_t finished() const;

  // To be asked about every 100 ms, by one thread: the speed is measured between the calls.
  SyncProgress Sample(absl::Time now);

 private:
  struct Transfer {
    uint64_t total = 0;
    uint64_t done = 0;
    uint64_t begun = 0;  // order among those under way; 0: not yet
  };
  using Transfers = absl::flat_hash_map<RelPath, Transfer>;
  Transfers& Of(TransferDirection direction) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return direction == TransferDirection::kUp ? up_ : down_;
  }
  Transfer& PlanLocked(TransferDirection direction, const RelPath& path, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Move(Transfer& transfer, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Transfers& transfers, Transfers::iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartStretch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Measure(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<TransferProgress> Oldest() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Transfers up_ ABSL_GUARDED_BY(mutex_);
  Transfers down_ ABSL_GUARDED_BY(mutex_);
  uint64_t waiting_files_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the stretch: what ended, and sums over what is planned.
  uint64_t finished_files_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t finished_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t planned_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t done_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool settled_ ABSL_GUARDED_BY(mutex_) = false;
  // Since the start.
  uint64_t finished_ever_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t moved_ever_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t begun_ever_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t deduplicated_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t compressed_ ABSL_GUARDED_BY(mutex_) = 0;
  // The speed, and since when it is measured from which figure.
  double speed_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time measured_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  uint64_t measured_from_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace filesync
