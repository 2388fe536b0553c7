#include "services/sync/sessions.h"

#include <algorithm>
#include <tuple>

#include "libs/base/status.h"

namespace filesync {

uint64_t Sessions::Open(SessionInfo info, std::weak_ptr<SessionControl> control) {
  std::shared_ptr<SessionControl> replaced;
  uint64_t key = 0;
  {
    absl::MutexLock lock(&mutex_);
    key = next_key_++;
    uint64_t& newest = by_agent_[{info.folder, info.agent_id}];
    if (const auto old = slots_.find(newest); old != slots_.end()) {
      replaced = old->second.control.lock();
      slots_.erase(old);
    }
    newest = key;
    slots_.emplace(key, Slot{info, std::move(control)});
  }
  if (replaced != nullptr) replaced->End(Aborted("replaced by a newer session of this agent"));
  Announce(info, true);
  return key;
}

void Sessions::SetApplied(uint64_t key, const Cursor& cursor, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const auto slot = slots_.find(key);
  if (slot == slots_.end()) return;
  slot->second.info.applied = cursor;
  slot->second.info.last_seen = now;
}

void Sessions::Close(uint64_t key) {
  SessionInfo info;
  {
    absl::MutexLock lock(&mutex_);
    const auto slot = slots_.find(key);
    if (slot == slots_.end()) return;
    info = std::move(slot->second.info);
    slots_.erase(slot);
    const auto newest = by_agent_.find({info.folder, info.agent_id});
    if (newest != by_agent_.end() && newest->second == key) by_agent_.erase(newest);
  }
  Announce(info, false);
}

std::vector<SessionInfo> Sessions::List(FolderId folder) const {
  std::vector<SessionInfo> result;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, slot] : slots_) {
      if (folder == 0 || slot.info.folder == folder) result.push_back(slot.info);
    }
  }
  std::sort(result.begin(), result.end(), [](const SessionInfo& a, const SessionInfo& b) {
    return std::tie(a.folder_name, a.agent_name, a.agent_id) <
           std::tie(b.folder_name, b.agent_name, b.agent_id);
  });
  return result;
}

size_t Sessions::Count() const {
  absl::MutexLock lock(&mutex_);
  return slots_.size();
}

bool Sessions::Has(uint64_t key) const {
  absl::MutexLock lock(&mutex_);
  return slots_.contains(key);
}

bool Sessions::IsConnected(FolderId folder, const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  const auto newest = by_agent_.find({folder, agent_id});
  return newest != by_agent_.end() && slots_.contains(newest->second);
}

void Sessions::ForEachControl(const std::function<void(SessionControl&)>& visit) {
  ForEachControl(0, visit);
}

void Sessions::TellUpcoming(FolderId folder, v1::UpcomingContent upcoming) {
  const auto shared = std::make_shared<const v1::UpcomingContent>(std::move(upcoming));
  std::vector<std::shared_ptr<SessionControl>> others;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, slot] : slots_) {
      if (slot.info.folder != folder || slot.info.agent_id == shared->agent_id()) continue;
      others.push_back(slot.control.lock());
    }
  }
  for (const auto& other : others) {
    if (other != nullptr) other->TellUpcoming(shared);
  }
}

void Sessions::ForEachControl(FolderId folder, const std::function<void(SessionControl&)>& visit) {
  std::vector<std::shared_ptr<SessionControl>> controls;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, slot] : slots_) {
      if (folder == 0 || slot.info.folder == folder) controls.push_back(slot.control.lock());
    }
  }
  for (const auto& control : controls) {
    if (control != nullptr) visit(*control);
  }
}

uint64_t Sessions::AddObserver(FolderId folder, Observer observer) {
  absl::MutexLock lock(&observer_mutex_);
  const uint64_t key = next_observer_++;
  observers_.emplace(key, std::make_pair(folder, std::move(observer)));
  return key;
}

void Sessions::RemoveObserver(uint64_t key) {
  absl::MutexLock lock(&observer_mutex_);
  observers_.erase(key);
}

void Sessions::Announce(const SessionInfo& info, bool connected) {
  absl::MutexLock lock(&observer_mutex_);
  for (const auto& [key, observer] : observers_) {
    if (observer.first == info.folder) observer.second(info, connected);
  }
}

}  // namespace filesync
