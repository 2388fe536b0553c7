// Moves: turns a commit's renames into renames here: one rename(2) for a whole directory when
// all of it moved, no content read or fetched. What does not fit exactly is left for the
// ordinary way, which ends in the same tree. Engine's thread.
#pragma once

#include <set>
#include <vector>

#include "agent/engine/engine_context.h"

namespace filesync {

// Applies what it can of `entries` (whole commits), records the new bases, and returns the
// paths that are done with.
absl::StatusOr<std::set<RelPath>> ApplyMoves(EngineContext& context,
                                             const std::vector<Entry>& entries);

}  // namespace filesync
