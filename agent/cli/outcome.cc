#include "agent/cli/outcome.h"

#include "agent/cli/exit_code.h"

namespace filesync {

int ExitCodeOf(SyncOutcome outcome) {
  switch (outcome) {
    case SyncOutcome::kInSync:
      return kExitInSync;
    case SyncOutcome::kConflicts:
      return kExitConflicts;
    case SyncOutcome::kHeld:
      return kExitHeld;
    case SyncOutcome::kUnreachable:
      return kExitUnreachable;
    case SyncOutcome::kHalted:
      return kExitHalted;
    case SyncOutcome::kSomeFailed:
    case SyncOutcome::kPaused:
    case SyncOutcome::kUnfinished:
      return kExitSomeFailed;
  }
  return kExitSomeFailed;
}

}  // namespace filesync
