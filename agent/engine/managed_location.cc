#include "agent/engine/managed_location.h"

#include <utility>

#include "libs/base/status.h"

namespace filesync {

LocationName ManagedLocation::name() const {
  absl::MutexLock lock(&mutex_);
  return name_;
}

SyncLocation ManagedLocation::options() const {
  absl::MutexLock lock(&mutex_);
  return options_;
}

SyncStatus ManagedLocation::status() const {
  absl::MutexLock lock(&mutex_);
  return sync_ != nullptr ? sync_->status() : last_status_;
}

void ManagedLocation::Put(std::unique_ptr<LocationSync> sync, SyncLocation options) {
  absl::MutexLock lock(&mutex_);
  name_.folder = options.sync.folder;
  sync_ = std::move(sync);
  options_ = std::move(options);
  ++generation_;
  gone_ = false;
  next_ = absl::InfinitePast();
  resting_ = false;
}

std::unique_ptr<LocationSync> ManagedLocation::Take() {
  absl::MutexLock lock(&mutex_);
  if (sync_ != nullptr) last_status_ = sync_->status();
  return std::move(sync_);
}

void ManagedLocation::SetBroken(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  gone_ = true;
  last_status_.state = SyncState::kHalted;
  last_status_.last_error = std::string(ToStd(why.message()));
  last_status_.last_error_at = clock_->Now();
  last_status_.state_text =
      fmt::format("{}: {}", SyncStateName(SyncState::kHalted), last_status_.last_error);
}

absl::Status ManagedLocation::With(const std::function<absl::Status(LocationSync&)>& use) const {
  absl::MutexLock lock(&mutex_);
  if (sync_ == nullptr) {
    return FailedPrecondition("{} is not synced now: {}", name_.directory, last_status_.state_text);
  }
  return use(*sync_);
}

absl::Status ManagedLocation::Reconfigure(const LocationSyncOptions& options) {
  FS_RETURN_IF_ERROR(With([&options](LocationSync& sync) {
    sync.Reconfigure(options);
    return absl::OkStatus();
  }));
  // What it is opened with again, should it have to be.
  absl::MutexLock lock(&mutex_);
  options_.sync.policies = options.policies;
  options_.sync.filters = options.filters;
  options_.sync.max_delete = options.max_delete;
  options_.sync.compare = options.compare;
  options_.sync.compression = options.compression;
  return absl::OkStatus();
}

void ManagedLocation::EndRest() {
  if (!std::exchange(resting_, false)) return;
  if (sync_ != nullptr) sync_->EndRest();
}

void ManagedLocation::SetSchedule(std::optional<CronSchedule> schedule) {
  absl::MutexLock lock(&mutex_);
  options_.schedule = schedule;
  next_ = absl::InfinitePast();
  EndRest();
}

void ManagedLocation::FollowSchedule() {
  absl::MutexLock lock(&mutex_);
  if (!options_.schedule.has_value() || sync_ == nullptr) return;
  const absl::Time now = clock_->Now();
  if (resting_) {
    if (now < next_) return;
    EndRest();
    next_ = options_.schedule->Next(now, absl::LocalTimeZone());
    return;
  }
  const SyncState state = sync_->status().state;
  const bool done =
      state == SyncState::kInSync || state == SyncState::kIncomplete || state == SyncState::kHeld;
  if (next_ > absl::InfinitePast() && !done) return;
  resting_ = true;
  next_ = options_.schedule->Next(now, absl::LocalTimeZone());
  sync_->Rest(next_);
}

ManagedLocation::Request ManagedLocation::Wake() {
  absl::MutexLock lock(&mutex_);
  EndRest();
  return {generation_, sync_ != nullptr ? sync_->RequestScan() : 0};
}

ManagedLocation::View ManagedLocation::Look() const {
  absl::MutexLock lock(&mutex_);
  return {sync_ != nullptr ? sync_->status() : last_status_, generation_, gone_};
}

void ManagedLocation::Start() {
  LocationSync* sync = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    sync = sync_.get();
  }
  // Callbacks may ask this location.
  if (sync != nullptr) sync->Start();
}

void ManagedLocation::SetRemoved() {
  absl::MutexLock lock(&mutex_);
  gone_ = true;
}

SyncProgress ManagedLocation::SampleProgress() const {
  absl::MutexLock lock(&mutex_);
  return sync_ != nullptr ? sync_->SampleProgress() : SyncProgress();
}

}  // namespace filesync
