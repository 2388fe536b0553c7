#include "agent/cli/event_feed.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "libs/base/status.h"

namespace filesync {

void EventFeed::Reader::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof(one));
}

void EventFeed::Reader::Add(const control::v1::Event& event) {
  const size_t bytes = event.ByteSizeLong();
  if (event.has_status() && !status_) return;
  {
    absl::MutexLock lock(&mutex_);
    if (event.has_progress() || event.has_status()) {
      (event.has_progress() ? newest_progress_ : newest_status_) = event;
      Wake();
      return;
    }
    // The newest are kept: they are what the reader will want to know when it catches up.
    while (!queue_.empty() &&
           (queue_.size() >= kMostQueued || queued_bytes_ + bytes > kMostQueuedBytes)) {
      queued_bytes_ -= queue_.front().ByteSizeLong();
      queue_.pop_front();
      ++missed_;
    }
    queue_.push_back(event);
    queued_bytes_ += bytes;
  }
  Wake();
}

std::vector<control::v1::Event> EventFeed::Reader::Take() {
  uint64_t count = 0;
  (void)!read(wake_.get(), &count, sizeof(count));
  std::vector<control::v1::Event> taken;
  absl::MutexLock lock(&mutex_);
  if (missed_ > 0) {
    taken.emplace_back();
    *taken.back().mutable_time() = queue_.front().time();
    taken.back().set_missed(std::exchange(missed_, 0));
  }
  std::move(queue_.begin(), queue_.end(), std::back_inserter(taken));
  queue_.clear();
  queued_bytes_ = 0;
  for (std::optional<control::v1::Event>* newest : {&newest_progress_, &newest_status_}) {
    if (newest->has_value()) taken.push_back(**newest);
    newest->reset();
  }
  return taken;
}

void EventFeed::Publish(const control::v1::Event& event) {
  if (!HasReaders()) return;
  absl::MutexLock lock(&mutex_);
  std::erase_if(readers_, [&](const std::weak_ptr<Reader>& weak) {
    const std::shared_ptr<Reader> reader = weak.lock();
    if (reader == nullptr) return true;
    reader->Add(event);
    return false;
  });
  readers_count_ = static_cast<int>(readers_.size());
}

absl::StatusOr<std::shared_ptr<EventFeed::Reader>> EventFeed::Subscribe(bool status) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.ok()) return ErrnoStatus(errno, "eventfd");
  auto reader = std::make_shared<Reader>(std::move(wake), status);
  absl::MutexLock lock(&mutex_);
  readers_.push_back(reader);
  readers_count_ = static_cast<int>(readers_.size());
  return reader;
}

}  // namespace filesync
