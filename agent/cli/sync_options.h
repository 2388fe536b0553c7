// SyncOptions: what the command line says of one location, as the engine takes it.
#pragma once

#include "agent/cli/options.h"
#include "agent/engine/location_sync.h"

namespace filesync {

LocationSyncOptions ToSyncOptions(const AgentOptions& options, const FolderDirectory& location);

}  // namespace filesync
