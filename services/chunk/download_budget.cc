#include "services/chunk/download_budget.h"

namespace filesync {

void DownloadBudget::Set(const std::shared_ptr<Holder>& holder, size_t bytes, absl::Time since) {
  std::shared_ptr<Holder> evicted;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = shares_.find(holder.get());
    const size_t before = it == shares_.end() ? 0 : it->second.bytes;
    bytes_ = bytes_ - before + bytes;
    if (bytes > 0) {
      shares_[holder.get()] = {holder, bytes, since};
    } else if (it != shares_.end()) {
      shares_.erase(it);
    }
    if (bytes > before && bytes_ > kMostBytes) evicted = Stalest(holder.get());
  }
  if (evicted != nullptr) evicted->Evict();
}

std::shared_ptr<DownloadBudget::Holder> DownloadBudget::Stalest(const Holder* asking) {
  auto found = shares_.end();
  for (auto it = shares_.begin(); it != shares_.end(); ++it) {
    if (it->first == asking) continue;
    if (found == shares_.end() || it->second.since < found->second.since) found = it;
  }
  if (found == shares_.end()) return nullptr;
  // Counted no more: it is on its way out.
  std::shared_ptr<Holder> holder = found->second.holder.lock();
  bytes_ -= found->second.bytes;
  shares_.erase(found);
  return holder;
}

}  // namespace filesync
