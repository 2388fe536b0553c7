// Display: what people see while the agent works. At a terminal, a block of a state line and the
// transfers under way that updates in place, and a line per change; elsewhere plain lines with a
// timestamp. Thread-safe.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/cli/progress_text.h"
#include "agent/cli/terminal_block.h"
#include "agent/engine/sync_status.h"
#include "libs/telemetry/log.h"

namespace filesync {

class Display {
 public:
  // Writes to stderr for log lines and to stdout for everything else, which is a terminal or not.
  Display(bool terminal, bool color);

  void Log(LogLevel level, std::string_view message);
  // `label` names the location when there are several.
  void Event(const std::string& label, const SyncEvent& event);
  // The state line, or, without a terminal, a line whenever the state changes.
  void State(const std::vector<SyncStatus>& statuses);
  // Shown at a terminal only.
  void Progress(const SyncProgress& progress);
  // Leaves the cursor on a line of its own.
  void Finish();
  // The line at the end of a one-shot run, which took so long.
  void Summary(const SyncStatus& status, absl::Duration took);

 private:
  void Line(FILE* out, const std::string& text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShowBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const bool terminal_;
  const bool color_;
  absl::Mutex mutex_;
  TerminalBlock block_ ABSL_GUARDED_BY(mutex_);
  std::string state_line_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> progress_lines_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> last_states_ ABSL_GUARDED_BY(mutex_);
};

// "in sync, 6 entries, 204.1 KiB, 3 pending".
std::string StateLine(const SyncStatus& status);

}  // namespace filesync
