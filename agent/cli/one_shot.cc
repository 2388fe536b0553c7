#include "agent/cli/one_shot.h"

#include "agent/cli/exit_code.h"

namespace filesync {
namespace {

// A one-shot run gives up on a server that was never reached after this many tries.
constexpr uint64_t kConnectionTries = 5;

}  // namespace

int OneShotOutcome(const SyncStatus& status) {
  switch (status.state) {
    case SyncState::kInSync:
      return kExitInSync;
    case SyncState::kIncomplete:
      if (status.settled_failures < status.failed_count) return -1;
      return status.held_conflicts == status.failed_count ? kExitConflicts : kExitSomeFailed;
    case SyncState::kHeld:
      return kExitHeld;
    case SyncState::kHalted:
      return kExitHalted;
    case SyncState::kOffline:
      return status.connection_failures >= kConnectionTries ? kExitUnreachable : -1;
    default:
      return -1;
  }
}

}  // namespace filesync
