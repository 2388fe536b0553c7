#include "agent/engine/progress.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace filesync {
namespace {

// How fast the speed follows: after this long, two thirds of a change show.
constexpr absl::Duration kSmoothing = absl::Seconds(2);
constexpr absl::Duration kShortestMeasure = absl::Milliseconds(50);

void Estimate(SyncProgress& progress) {
  const uint64_t left = progress.bytes_to_move - progress.bytes_moved;
  if (progress.bytes_per_second < 1 || !progress.Active()) return;
  progress.eta = absl::Ceil(absl::Seconds(static_cast<double>(left) / progress.bytes_per_second),
                            absl::Seconds(1));
}

}  // namespace

SyncProgress Sum(const std::vector<SyncProgress>& parts) {
  SyncProgress sum;
  for (const SyncProgress& part : parts) {
    sum.files_moved += part.files_moved;
    sum.files_to_move += part.files_to_move;
    sum.bytes_moved += part.bytes_moved;
    sum.bytes_to_move += part.bytes_to_move;
    sum.bytes_per_second += part.bytes_per_second;
    sum.bytes_saved_by_deduplication += part.bytes_saved_by_deduplication;
    sum.bytes_saved_by_compression += part.bytes_saved_by_compression;
    for (const TransferProgress& transfer : part.transfers) {
      if (sum.transfers.size() < kTransfersTold) sum.transfers.push_back(transfer);
    }
  }
  Estimate(sum);
  return sum;
}

void ProgressTracker::AddWaiting(uint64_t files, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (files == 0) return;
  StartStretch();
  waiting_files_ += files;
  waiting_bytes_ += bytes;
}

void ProgressTracker::TakeWaiting(uint64_t files, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  waiting_files_ -= std::min(waiting_files_, files);
  waiting_bytes_ -= std::min(waiting_bytes_, bytes);
}

void ProgressTracker::ClearWaiting() {
  absl::MutexLock lock(&mutex_);
  waiting_files_ = 0;
  waiting_bytes_ = 0;
}

void ProgressTracker::StartStretch() {
  if (!std::exchange(settled_, false)) return;
  finished_files_ = 0;
  finished_bytes_ = 0;
}

ProgressTracker::Transfer& ProgressTracker::PlanLocked(TransferDirection direction,
                                                       const RelPath& path, uint64_t bytes) {
  StartStretch();
  Transfer& transfer = Of(direction)[path];
  planned_bytes_ += bytes - transfer.total;
  transfer.total = bytes;
  done_bytes_ -= transfer.done;
  transfer.done = 0;
  return transfer;
}

void ProgressTracker::Plan(TransferDirection direction, const RelPath& path, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  PlanLocked(direction, path, bytes).begun = 0;
}

void ProgressTracker::Begin(TransferDirection direction, const RelPath& path, uint64_t bytes,
                            uint64_t done) {
  absl::MutexLock lock(&mutex_);
  Transfer& transfer = PlanLocked(direction, path, bytes);
  if (transfer.begun == 0) transfer.begun = ++begun_ever_;
  transfer.done = std::min(done, bytes);
  done_bytes_ += transfer.done;
}

void ProgressTracker::Move(Transfer& transfer, uint64_t bytes) {
  const uint64_t moved = std::min(bytes, transfer.total - transfer.done);
  transfer.done += moved;
  done_bytes_ += moved;
  moved_ever_ += moved;
}

void ProgressTracker::Advance(TransferDirection direction, const RelPath& path, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  Transfers& transfers = Of(direction);
  const auto it = transfers.find(path);
  if (it == transfers.end()) return;
  if (it->second.begun == 0) it->second.begun = ++begun_ever_;
  Move(it->second, bytes);
}

void ProgressTracker::Finish(TransferDirection direction, const RelPath& path) {
  absl::MutexLock lock(&mutex_);
  Transfers& transfers = Of(direction);
  const auto it = transfers.find(path);
  if (it == transfers.end()) return;
  Move(it->second, it->second.total);
  ++finished_files_;
  ++finished_ever_;
  finished_bytes_ += it->second.total;
  Forget(transfers, it);
}

void ProgressTracker::Drop(const RelPath& path) {
  absl::MutexLock lock(&mutex_);
  for (Transfers* transfers : {&up_, &down_}) {
    if (const auto it = transfers->find(path); it != transfers->end()) Forget(*transfers, it);
  }
}

void ProgressTracker::Forget(Transfers& transfers, Transfers::iterator it) {
  planned_bytes_ -= it->second.total;
  done_bytes_ -= it->second.done;
  transfers.erase(it);
}

void ProgressTracker::SavedByDeduplication(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  deduplicated_ += bytes;
}

void ProgressTracker::SavedByCompression(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  compressed_ += bytes;
}

std::pair<uint64_t, uint64_t> ProgressTracker::Saved() const {
  absl::MutexLock lock(&mutex_);
  return {deduplicated_, compressed_};
}

void ProgressTracker::Settle() {
  absl::MutexLock lock(&mutex_);
  settled_ = true;
  waiting_files_ = 0;
  waiting_bytes_ = 0;
}

uint64_t ProgressTracker::finished() const {
  absl::MutexLock lock(&mutex_);
  return finished_ever_;
}

void ProgressTracker::Measure(absl::Time now) {
  const absl::Duration passed = now - measured_;
  if (passed < kShortestMeasure && passed >= absl::ZeroDuration()) return;
  const auto moved = static_cast<double>(moved_ever_ - std::exchange(measured_from_, moved_ever_));
  const bool first = measured_ == absl::InfinitePast() || passed < absl::ZeroDuration();
  measured_ = now;
  if (first) return;
  const double seconds = absl::ToDoubleSeconds(passed);
  const double weight = 1 - std::exp(-seconds / absl::ToDoubleSeconds(kSmoothing));
  // A speed that was not measured yet is the first one that is.
  speed_ = speed_ == 0 ? moved / seconds : speed_ + weight * (moved / seconds - speed_);
}

std::vector<TransferProgress> ProgressTracker::Oldest() const {
  // There may be thousands of small files: only those that are told are copied.
  struct Begun {
    TransferDirection direction;
    Transfers::const_iterator transfer;
    bool operator<(const Begun& other) const {
      return transfer->second.begun < other.transfer->second.begun;
    }
  };
  std::vector<Begun> begun;
  auto add = [&begun](TransferDirection direction, const Transfers& transfers) {
    for (auto it = transfers.begin(); it != transfers.end(); ++it) {
      if (it->second.begun > 0) begun.push_back({direction, it});
    }
  };
  add(TransferDirection::kUp, up_);
  add(TransferDirection::kDown, down_);
  const auto told = begun.begin() + std::min(begun.size(), kTransfersTold);
  std::partial_sort(begun.begin(), told, begun.end());
  std::vector<TransferProgress> oldest;
  for (auto it = begun.begin(); it != told; ++it) {
    const auto& [path, transfer] = *it->transfer;
    oldest.push_back({path, it->direction, transfer.done, transfer.total});
  }
  return oldest;
}

SyncProgress ProgressTracker::Sample(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Measure(now);
  const bool quiet = up_.empty() && down_.empty() && waiting_files_ == 0;
  if (quiet) speed_ = 0;
  SyncProgress progress;
  progress.files_moved = finished_files_;
  progress.files_to_move = finished_files_ + up_.size() + down_.size() + waiting_files_;
  progress.bytes_moved = finished_bytes_ + done_bytes_;
  progress.bytes_to_move = finished_bytes_ + planned_bytes_ + waiting_bytes_;
  progress.bytes_per_second = speed_;
  progress.bytes_saved_by_deduplication = deduplicated_;
  progress.bytes_saved_by_compression = compressed_;
  progress.transfers = Oldest();
  Estimate(progress);
  return progress;
}

}  // namespace filesync
