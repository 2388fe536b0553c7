#include "agent/engine/observer.h"

#include <pthread.h>

#include <algorithm>

#include "libs/base/status.h"

namespace filesync {

class Observer::Sink final : public ScanSink {
 public:
  explicit Sink(Observer* observer) : observer_(observer) {}
  void OnCandidates(std::vector<RelPath> paths) override {
    WaitForRoom();
    Post([events = &observer_->events_, paths = std::move(paths)]() mutable {
      events->on_candidates(std::move(paths));
    });
  }
  void OnFilesFound(uint64_t files, uint64_t bytes) override {
    observer_->context_->progress.AddWaiting(files, bytes);
  }
  void OnToRead(std::vector<RelPath> paths) override {
    WaitForRoom();
    Post([events = &observer_->events_, paths = std::move(paths)]() mutable {
      events->on_to_read(std::move(paths));
    });
  }
  void OnMissing(std::vector<RelPath> paths) override {
    Post([events = &observer_->events_, paths = std::move(paths)]() mutable {
      events->on_missing(std::move(paths));
    });
  }
  void OnUnknown(const RelPath& directory, const absl::Status& why) override {
    Post([events = &observer_->events_, directory, why] { events->on_unknown(directory, why); });
  }
  void OnSkipped(const std::string& what) override {
    Post([events = &observer_->events_, what] { events->on_skipped(what); });
  }
  bool Cancelled() override { return observer_->stopping_; }

 private:
  void Post(Mailbox::Message message) { observer_->context_->mailbox.Post(std::move(message)); }
  void WaitForRoom() {
    while (observer_->congested_ && !observer_->stopping_) {
      observer_->context_->clock->Sleep(absl::Milliseconds(20));
    }
  }
  Observer* const observer_;
};

Observer::Observer(EngineContext* context, std::unique_ptr<Watcher> watcher, ObserverEvents events)
    : context_(context), watcher_(std::move(watcher)), events_(std::move(events)) {
  if (watcher_ != nullptr) watch_thread_ = std::thread([this] { WatchLoop(); });
  scan_thread_ = std::thread([this] { ScanLoop(); });
}

Observer::~Observer() {
  stopping_ = true;
  if (watcher_ != nullptr) watcher_->Interrupt();
  {
    // Wakes the scan thread: its condition reads stopping_.
    absl::MutexLock lock(&mutex_);
  }
  if (watch_thread_.joinable()) watch_thread_.join();
  scan_thread_.join();
}

void Observer::RequestFullScan() { RequestScan(RelPath()); }

void Observer::RequestScan(const RelPath& directory) { Enqueue({directory, /*if_new=*/false}); }

void Observer::RequestScanIfNew(const RelPath& directory) { Enqueue({directory, /*if_new=*/true}); }

void Observer::Enqueue(Request request) {
  absl::MutexLock lock(&mutex_);
  // What a waiting request covers need not be asked for again. One that may turn out to be
  // needless covers only its like.
  const bool covered = std::any_of(requests_.begin(), requests_.end(), [&](const Request& asked) {
    if (asked.if_new) return request.if_new && request.directory == asked.directory;
    return request.directory.IsAtOrBelow(asked.directory);
  });
  if (covered) return;
  ++scanning_;
  requests_.push_back(std::move(request));
}

void Observer::WatchLoop() {
  pthread_setname_np(pthread_self(), "watch");
  while (!stopping_) {
    std::vector<WatchEvent> events = watcher_->Read(absl::Seconds(10));
    if (events.empty()) continue;
    context_->mailbox.Post(
        [this, events = std::move(events)]() mutable { events_.on_watch(std::move(events)); });
  }
}

void Observer::ScanLoop() {
  pthread_setname_np(pthread_self(), "scan");
  while (true) {
    Request request;
    {
      absl::MutexLock lock(&mutex_);
      auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !requests_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      request = std::move(requests_.front());
      requests_.pop_front();
    }
    ScanOne(request);
  }
}

void Observer::ScanOne(const Request& request) {
  const absl::Time started = context_->clock->Now();
  Sink sink(this);
  const auto scan = request.if_new ? ScanIfNew : Scan;
  const absl::StatusOr<ScanTotals> totals =
      scan(request.directory, *context_->location, watcher_.get(), *context_->filters,
           *context_->state, sink, context_->compare);
  const absl::Duration took = context_->clock->Now() - started;
  if (totals.ok() && totals->needless) {
    context_->mailbox.Post([this] { --scanning_; });
    return;
  }
  context_->mailbox.Post([this, directory = request.directory, status = totals.status(), took] {
    --scanning_;
    events_.on_scanned(directory, status, took);
  });
}

}  // namespace filesync
