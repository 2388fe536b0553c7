// SpaceReserve: keeps a part of the server's disk for deletions, metadata and collection. Content
// is refused before it is used up, so a full disk is a pause: what was refused is sent again, and
// accepted once there is room. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/telemetry/log.h"

namespace filesync {

class SpaceReserve {
 public:
  // Of the disk that the store is on, in bytes.
  struct Disk {
    uint64_t free = 0;
    uint64_t size = 0;
  };
  // What is kept: so much, or a tenth of a disk that is small.
  static constexpr uint64_t kMostKept = uint64_t{256} << 20;

  // `measure` is asked each time. `log` must outlive the result.
  SpaceReserve(std::function<Disk()> measure, Logger* log)
      : measure_(std::move(measure)), log_(log) {}

  // ResourceExhausted when storing `bytes` of content would touch what is kept.
  absl::Status ForContent(uint64_t bytes);
  // ResourceExhausted when little of it is left: what remains is for deletions.
  absl::Status ForEntries();
  // What the store answered to a write. It may find the disk full all the same: others write to it
  // too, and there are quotas.
  void Note(const absl::Status& written);

  uint64_t FreeBytes() const { return measure_().free; }
  // Content is refused at this time.
  bool Refusing();

 private:
  static uint64_t Kept(const Disk& disk);
  absl::Status Refuse(const Disk& disk);
  // Says what has changed.
  void Update(const Disk& disk, const absl::Status& written);

  const std::function<Disk()> measure_;
  Logger* const log_;
  absl::Mutex mutex_;
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;     // because of the reserve
  bool store_full_ ABSL_GUARDED_BY(mutex_) = false;  // the store's own last answer
};

}  // namespace filesync
