#include "agent/cli/invocation.h"

#include "libs/base/status.h"

namespace filesync {

int Refuse(const absl::Status& status) {
  fmt::print(stderr, "syncagent: {}\nRun 'syncagent --help' for how to use it.\n",
             ToStd(status.message()));
  return kExitUsage;
}

int Complain(const absl::Status& status, int unavailable) {
  fmt::print(stderr, "syncagent: {}\n", ToStd(status.message()));
  if (absl::IsUnavailable(status)) return unavailable;
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status) ? kExitUsage : kExitSomeFailed;
}

}  // namespace filesync
