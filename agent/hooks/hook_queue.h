// HookQueue: one hook with the thread that runs it: one call at a time, each for one location;
// what is collected meanwhile goes to the next. Whoever adds waits for nothing. Memory is bounded:
// of what finds no room only the number is kept. Thread-safe.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/hooks/hook_line.h"
#include "agent/hooks/hook_process.h"
#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/telemetry/log.h"

namespace filesync {

class HookQueue {
 public:
  // Lines that wait, of all locations.
  static constexpr size_t kMostBytes = 16 << 20;

  // `name`: as in "on-synced". The clock and the log must outlive it.
  HookQueue(std::string name, std::vector<std::string> command, absl::Duration time_limit,
            Clock* clock, Logger* log, size_t most_bytes = kMostBytes);
  ~HookQueue();

  // Keeps a line for the location's next call.
  void Add(const HookPlace& place, std::string line);
  // Lets the call be made, with what was added so far; nothing if nothing was.
  void Ready(const HookPlace& place);
  // No call is under way or due.
  bool Idle() const;
  // Ends a call under way within seconds; those that are due are not made any more.
  void Stop();

 private:
  struct Lines {
    std::string text;
    uint64_t count = 0;
    uint64_t omitted = 0;
  };
  struct Location {
    HookPlace place;
    Lines collected;
    Lines due;
  };
  void Loop();
  void Call(const HookPlace& place, const Lines& lines);
  std::vector<std::string> Environment(const HookPlace& place) const;

  const std::string name_;
  const std::vector<std::string> command_;
  const absl::Duration time_limit_;
  Clock* const clock_;
  Logger* const log_;
  const size_t most_bytes_;
  const UniqueFd stop_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Location> locations_ ABSL_GUARDED_BY(mutex_);  // by directory
  std::deque<std::string> due_ ABSL_GUARDED_BY(mutex_);                // directories, each once
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool calling_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace filesync
