#include "agent/hooks/hooks.h"

#include <utility>

#include "libs/base/files.h"

namespace filesync {

Hooks::Hooks(const HookOptions& options, Clock* clock, Logger* log) : clock_(clock) {
  auto queue = [&](const char* name, const std::vector<std::string>& command) {
    return command.empty()
               ? nullptr
               : std::make_unique<HookQueue>(name, command, options.time_limit, clock, log);
  };
  synced_ = queue("on-synced", options.on_synced);
  conflict_ = queue("on-conflict", options.on_conflict);
  error_ = queue("on-error", options.on_error);
}

const HookPlace& Hooks::PlaceOf(const LocationName& name) {
  HookPlace& place = places_[name.directory];
  if (place.directory.empty()) {
    place.directory = CanonicalPath(name.directory).value_or(name.directory);
  }
  place.folder = name.folder;
  return place;
}

void Hooks::OnEvent(const LocationName& name, const SyncEvent& event) {
  const bool conflict =
      event.kind == SyncEvent::Kind::kConflict || event.kind == SyncEvent::Kind::kConflictHeld;
  const bool failure = event.kind == SyncEvent::Kind::kFailed;
  const bool held = event.kind == SyncEvent::Kind::kConflictHeld;
  HookQueue* at_once = conflict ? conflict_.get() : failure ? error_.get() : nullptr;
  HookQueue* when_synced = failure || held ? nullptr : synced_.get();
  if (at_once == nullptr && when_synced == nullptr) return;
  absl::MutexLock lock(&mutex_);
  const HookPlace& place = PlaceOf(name);
  const std::string line = HookLine(event, place, clock_->Now());
  if (when_synced != nullptr) when_synced->Add(place, line);
  if (at_once == nullptr) return;
  at_once->Add(place, line);
  at_once->Ready(place);
}

void Hooks::OnStatus(const LocationName& name, const SyncStatus& status) {
  absl::MutexLock lock(&mutex_);
  const HookPlace& place = PlaceOf(name);
  if (synced_ != nullptr && status.state == SyncState::kInSync) synced_->Ready(place);
  const bool halted = status.state == SyncState::kHalted;
  const bool before = std::exchange(halted_[name.directory], halted);
  if (error_ == nullptr || !halted || before) return;
  std::string_view reason = status.state_text;
  if (const size_t colon = reason.find(": "); colon != reason.npos) reason.remove_prefix(colon + 2);
  error_->Add(place, HaltedLine(reason, place, clock_->Now()));
  error_->Ready(place);
}

bool Hooks::Idle() const {
  for (const auto* queue : {&synced_, &conflict_, &error_}) {
    if (*queue != nullptr && !(*queue)->Idle()) return false;
  }
  return true;
}

void Hooks::Stop() {
  for (const auto* queue : {&synced_, &conflict_, &error_}) {
    if (*queue != nullptr) (*queue)->Stop();
  }
}

}  // namespace filesync
