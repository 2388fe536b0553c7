// Observer: tells the engine what changed in the location: the watcher's thread and the scans'
// thread. Everything arrives through the mailbox, on the engine's thread.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/engine_context.h"
#include "agent/engine/scanner.h"

namespace filesync {

struct ObserverEvents {
  std::function<void(std::vector<RelPath>)> on_candidates;
  std::function<void(std::vector<RelPath>)> on_to_read;
  std::function<void(std::vector<RelPath>)> on_missing;
  std::function<void(const RelPath&, const absl::Status&)> on_unknown;
  std::function<void(const std::string&)> on_skipped;
  std::function<void(std::vector<WatchEvent>)> on_watch;
  // The root: it was a scan of everything.
  std::function<void(const RelPath&, const absl::Status&, absl::Duration took)> on_scanned;
};

class Observer {
 public:
  Observer(EngineContext* context, std::unique_ptr<Watcher> watcher, ObserverEvents events);
  ~Observer();  // stops both threads

  void RequestFullScan();
  void RequestScan(const RelPath& directory);
  // A scan of a directory that just appeared, unless one has met it since; see ScanIfNew.
  void RequestScanIfNew(const RelPath& directory);
  bool Scanning() const { return scanning_ > 0; }
  bool WatchLimited() const { return watcher_ != nullptr && watcher_->Limited(); }
  // Slows scans down while true: too much is waiting already.
  void SetCongested(bool congested) { congested_ = congested; }

 private:
  class Sink;
  void WatchLoop();
  void ScanLoop();
  struct Request {
    RelPath directory;
    bool if_new = false;
  };
  void Enqueue(Request request);
  void ScanOne(const Request& request);

  EngineContext* const context_;
  const std::unique_ptr<Watcher> watcher_;
  const ObserverEvents events_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> congested_ = false;
  std::atomic<int> scanning_ = 0;  // requested and not done
  absl::Mutex mutex_;
  std::deque<Request> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread watch_thread_;
  std::thread scan_thread_;
};

}  // namespace filesync
