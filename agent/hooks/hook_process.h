// HookProcess: runs a program in a process group of its own, with a time limit. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace filesync {

struct HookRun {
  std::vector<std::string> arguments;    // the program first; found along PATH
  std::vector<std::string> environment;  // NAME=VALUE, instead of this process's
  std::string_view input;                // all of its stdin
  absl::Duration time_limit;
  // Readable when it is to end soon: it gets kStopGrace, then its group is killed. Negative: never.
  int stop_fd = -1;
};

struct HookResult {
  int exit_code = -1;  // -1: it was ended by `signal`
  int signal = 0;
  bool timed_out = false;
  bool stopped = false;  // had to end early, because of stop_fd
  std::string output;    // the beginning of stdout and stderr, at most kMostHookOutput
  uint64_t output_bytes = 0;
  absl::Duration took;
};
inline constexpr size_t kMostHookOutput = 4096;
inline constexpr absl::Duration kHookStopGrace = absl::Seconds(5);
// Between SIGTERM and SIGKILL, when the time is up.
inline constexpr absl::Duration kHookKillGrace = absl::Seconds(1);

// Returns when the program has ended, however it did. What it left running in its group is killed
// if its time was up, else left alone. NotFound, PermissionDenied, …: it could not be started.
absl::StatusOr<HookResult> RunHookProcess(const HookRun& run);

}  // namespace filesync
