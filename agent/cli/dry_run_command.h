// `syncagent sync --dry-run`: what a run would do, done to nothing.
#pragma once

#include "absl/status/statusor.h"
#include "agent/cli/invocation.h"
#include "agent/cli/options.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

// What a run over these locations, as MakeOneShot leaves them, would do. Errors: as a run meets
// them before it begins.
absl::StatusOr<control::v1::SyncReport> PlanSync(const AgentOptions& options);

// Prints it, and returns what the run would exit with.
int RunDryRun(const Invocation& asked);

}  // namespace filesync
