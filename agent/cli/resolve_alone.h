// Settles one conflict while no agent runs: an engine that watches, scans and syncs nothing else.
#pragma once

#include <string>

#include "agent/cli/control.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

// Returns when it is settled on both sides. NotFound: no conflict is held there; Unavailable: the
// server can't be reached; others say why it can't be.
absl::Status ResolveAlone(const SyncedPath& path, control::v1::Keep keep);

}  // namespace filesync
