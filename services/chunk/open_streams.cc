#include "services/chunk/open_streams.h"

#include <utility>
#include <vector>

namespace filesync {

void OpenStreams::Add(const std::shared_ptr<Stream>& stream) {
  {
    absl::MutexLock lock(&mutex_);
    streams_[stream.get()] = stream;
    if (!draining_) return;
  }
  stream->GoAway();
}

void OpenStreams::Remove(const Stream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void OpenStreams::Drain() {
  std::vector<std::shared_ptr<Stream>> open;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    for (const auto& [key, stream] : streams_) {
      if (auto alive = stream.lock(); alive != nullptr) open.push_back(std::move(alive));
    }
  }
  for (const auto& stream : open) stream->GoAway();
}

}  // namespace filesync
