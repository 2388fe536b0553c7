#include "libs/fanout/hub.h"

namespace filesync {

Hub::Subscription::~Subscription() { hub_->Unsubscribe(folder_, key_); }

std::unique_ptr<Hub::Subscription> Hub::Subscribe(FolderId folder, Wake wake) {
  absl::MutexLock lock(&mutex_);
  const uint64_t key = next_key_++;
  followers_[folder].emplace(key, std::move(wake));
  return std::unique_ptr<Subscription>(new Subscription(this, folder, key));
}

void Hub::Unsubscribe(FolderId folder, uint64_t key) {
  absl::MutexLock lock(&mutex_);
  const auto it = followers_.find(folder);
  if (it == followers_.end()) return;
  it->second.erase(key);
  if (it->second.empty()) followers_.erase(it);
}

// Wakes under the lock: that is what makes a subscription's end final, and why a wake-up may
// not block.
void Hub::Published(FolderId folder, uint64_t head) {
  absl::MutexLock lock(&mutex_);
  const auto it = followers_.find(folder);
  if (it == followers_.end()) return;
  for (const auto& [key, wake] : it->second) wake(head);
}

size_t Hub::Followers(FolderId folder) const {
  absl::MutexLock lock(&mutex_);
  const auto it = followers_.find(folder);
  return it == followers_.end() ? 0 : it->second.size();
}

}  // namespace filesync
