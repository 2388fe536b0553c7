// Outcome: what a run that ends by itself exits with. Pure.
#pragma once

#include "agent/engine/sync_manager.h"

namespace filesync {

int ExitCodeOf(SyncOutcome outcome);

}  // namespace filesync
