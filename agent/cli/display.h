// Display: what people see while the agent works. At a terminal, one state line that updates
// and a line per change; elsewhere plain lines with a timestamp. Thread-safe.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/location_sync.h"

namespace filesync {

class Display {
 public:
  // Writes to stderr for log lines and to stdout for everything else.
  Display(bool terminal, bool color);

  void Log(LogLevel level, std::string_view message);
  // `label` names the location when there are several.
  void Event(const std::string& label, const SyncEvent& event);
  // The state line, or, without a terminal, a line whenever the state changes.
  void State(const std::vector<SyncStatus>& statuses);
  // Leaves the cursor on a line of its own.
  void Finish();
  // The line at the end of a one-shot run.
  void Summary(const SyncStatus& status);

 private:
  void Line(FILE* out, const std::string& text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ClearStateLine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const bool terminal_;
  const bool color_;
  absl::Mutex mutex_;
  std::string state_line_ ABSL_GUARDED_BY(mutex_);  // as shown; terminal only
  std::vector<std::string> last_states_ ABSL_GUARDED_BY(mutex_);
  absl::Time speed_since_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  uint64_t speed_from_ ABSL_GUARDED_BY(mutex_) = 0;
  double speed_ ABSL_GUARDED_BY(mutex_) = 0;  // bytes a second
};

// "1.5 MiB".
std::string ForPeople(uint64_t bytes);

}  // namespace filesync
