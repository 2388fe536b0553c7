// PackFile: an append-only file of frames, one after the other; where each stands is known to
// whoever appended it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/unique_fd.h"

namespace filesync {

class PackFile {
 public:
  // `fd` is open for reading and writing and ends at `size`.
  PackFile(UniqueFd fd, uint64_t number, uint64_t size)
      : fd_(std::move(fd)), number_(number), end_(size) {}

  uint64_t number() const { return number_; }
  // Where the next append goes; some of what is before it may not be written yet.
  uint64_t end() const { return end_; }
  // The file is on disk up to here at least; 0 before the first append.
  uint64_t synced_end() const { return synced_end_; }

  // Writes the pieces behind each other and on disk (fdatasync; appends at the same time share
  // one), and returns the offset of the first. An append that finds the disk full leaves nothing
  // behind. After another error, and after any of a sync, nothing can be appended any more: what
  // the kernel dropped it reports only once. Errors: ResourceExhausted when the disk is full; the
  // first error again when the pack has failed.
  absl::StatusOr<uint64_t> Append(const std::vector<std::string_view>& pieces);
  bool failed() const;

  // DataLoss when the file ends before `offset` + `size`.
  absl::StatusOr<absl::Cord> Read(uint64_t offset, size_t size) const;

  // Gives the space of a frame that nobody needs any more back to the file system, where it can.
  void Free(uint64_t offset, size_t size);

 private:
  absl::Status WriteAt(uint64_t offset, const std::vector<std::string_view>& pieces,
                       bool& too_large);
  absl::Status SyncUpTo(uint64_t ticket);
  absl::Status FailedLocked(absl::Status why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(sync_mutex_);

  const UniqueFd fd_;
  const uint64_t number_;
  std::atomic<uint64_t> end_;
  std::atomic<uint64_t> synced_end_ = 0;
  // Appends that were written.
  std::atomic<uint64_t> written_ = 0;
  // Held while syncing: who waits for it is served by one more sync at most.
  absl::Mutex sync_mutex_;
  uint64_t synced_ ABSL_GUARDED_BY(sync_mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(sync_mutex_);
  std::atomic<bool> failed_ = false;
};

}  // namespace filesync
