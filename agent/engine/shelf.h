// Shelf: what the folder holds under names that are ignored here. It is put away as it was when
// the rules hide a path, kept up to date as it changes there, and taken out when they show it
// again: then both sides are compared. Nothing is deleted on either side
// because rules changed. Engine's thread.
#pragma once

#include "absl/status/status.h"
#include "agent/engine/engine_context.h"

namespace filesync {

// `path` is ignored: what is known of it and of what is below it goes on the shelf.
absl::Status Shelve(EngineContext& context, const RelPath& path);

// The folder holds `entry` under an ignored name (a tombstone: nothing any more). Inside a
// transaction.
absl::Status ShelveEntry(State& state, const Entry& entry);

// Takes out what is at or below `directory` and not ignored any more.
absl::Status Unshelve(EngineContext& context, const RelPath& directory);

}  // namespace filesync
