#include "agent/cli/invocation.h"
#include "agent/cli/output.h"

#include "libs/base/status.h"

namespace filesync {

namespace {

// A message may quote what a file or a server says.
std::string Shown(const absl::Status& status) { return WithoutControls(ToStd(status.message())); }

}  // namespace

int Refuse(const absl::Status& status) {
  Output(stderr, "syncagent: {}\nRun 'syncagent --help' for how to use it.\n", Shown(status));
  return kExitUsage;
}

int Complain(const absl::Status& status, int unavailable) {
  Output(stderr, "syncagent: {}\n", Shown(status));
  if (absl::IsUnavailable(status)) return unavailable;
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status) ? kExitUsage : kExitSomeFailed;
}

}  // namespace filesync
