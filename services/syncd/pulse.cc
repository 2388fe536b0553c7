#include "services/syncd/pulse.h"

#include <utility>

namespace filesync {

Pulse::Pulse(std::vector<Executor*> executors)
    : executors_(std::move(executors)), under_way_(std::make_shared<std::atomic<size_t>>(0)) {}

bool Pulse::Beat() {
  if (under_way_->load() > 0) return false;
  under_way_->store(executors_.size());
  for (Executor* executor : executors_) {
    executor->Schedule([under_way = under_way_] { under_way->fetch_sub(1); });
  }
  return true;
}

}  // namespace filesync
