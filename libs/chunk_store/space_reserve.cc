#include "libs/chunk_store/space_reserve.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/kv/kv_store.h"

namespace filesync {
namespace {

constexpr uint64_t kEntriesShare = 4;  // of what is kept, a quarter is for deletions only

}  // namespace

uint64_t SpaceReserve::Kept(const Disk& disk) { return std::min(kMostKept, disk.size / 10); }

absl::Status SpaceReserve::ForContent(uint64_t bytes) {
  const Disk disk = measure_();
  if (disk.free >= Kept(disk) && disk.free - Kept(disk) >= bytes) return absl::OkStatus();
  return Refuse(disk);
}

absl::Status SpaceReserve::ForEntries() {
  const Disk disk = measure_();
  return disk.free >= Kept(disk) / kEntriesShare ? absl::OkStatus() : Refuse(disk);
}

absl::Status SpaceReserve::Refuse(const Disk& disk) {
  {
    absl::MutexLock lock(&mutex_);
    if (!store_full_ && !refused_) {
      log_->Error(
          "the disk is full: {} MiB are free, and {} MiB are kept for deletions and "
          "metadata; new content is refused until there is room",
          disk.free >> 20, Kept(disk) >> 20);
    }
    refused_ = true;
  }
  return ResourceExhausted("{}: {} MiB are free, and {} MiB are kept for deletions and metadata",
                           kDiskIsFull, disk.free >> 20, Kept(disk) >> 20);
}

void SpaceReserve::Note(const absl::Status& written) { Update(measure_(), written); }

bool SpaceReserve::Refusing() {
  const Disk disk = measure_();
  Update(disk, absl::UnknownError("nothing was written"));
  absl::MutexLock lock(&mutex_);
  return refused_ || store_full_;
}

void SpaceReserve::Update(const Disk& disk, const absl::Status& written) {
  absl::MutexLock lock(&mutex_);
  const bool before = refused_ || store_full_;
  if (absl::IsResourceExhausted(written)) store_full_ = true;
  if (written.ok()) store_full_ = false;
  // A little more than the reserve, so that it is not said with every message.
  if (disk.free >= Kept(disk) + Kept(disk) / 4) refused_ = false;
  const bool now = refused_ || store_full_;
  if (now && !before) {
    log_->Error("{}; it is tried again until there is room", Describe(written));
  } else if (before && !now) {
    log_->Info("the disk has room again: {} MiB are free", disk.free >> 20);
  }
}

}  // namespace filesync
