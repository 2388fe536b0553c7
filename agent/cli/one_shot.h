// OneShot: when a run that ends by itself is over, and what it exits with.
#pragma once

#include "agent/engine/location_sync.h"

namespace filesync {

// A one-shot run's exit code for this location; -1 while it goes on.
int OneShotOutcome(const SyncStatus& status);

}  // namespace filesync
