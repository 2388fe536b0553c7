#include "services/chunk/staged_bytes.h"

#include <algorithm>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kForgetAfter = absl::Hours(1);

}  // namespace

absl::Status StagedBytes::Add(FolderId folder, const std::string& agent_id, uint64_t bytes) {
  const absl::Time now = clock_->Now();
  absl::MutexLock lock(&mutex_);
  const std::pair<FolderId, std::string> key(folder, agent_id);
  if (!counts_.contains(key)) {
    ForgetOld(now);
    counts_[key].since = now;
  }
  Count& count = counts_[key];
  if (now - count.since > kForgetAfter) count = {0, now};
  if (count.bytes + bytes > kAlwaysAllowed) {
    const uint64_t allowed = std::max(kAlwaysAllowed, free_bytes_() / 4);
    if (count.bytes + bytes > allowed) {
      return ResourceExhausted(
          "the server's disk has too little room: {} MiB were uploaded for what is not committed "
          "yet, and a quarter of what is free is {} MiB",
          (count.bytes + bytes) >> 20, allowed >> 20);
    }
  }
  count.bytes += bytes;
  return absl::OkStatus();
}

void StagedBytes::Reset(FolderId folder, const std::string& agent_id) {
  absl::MutexLock lock(&mutex_);
  counts_.erase({folder, agent_id});
}

// Only when an agent appears: the table is as large as the agents of the last hour.
void StagedBytes::ForgetOld(absl::Time now) {
  absl::erase_if(counts_,
                 [now](const auto& item) { return now - item.second.since > kForgetAfter; });
}

}  // namespace filesync
