// Mounts below the root: whether what a directory looks like can be believed. A file system that
// was mounted or unmounted makes a tree look deleted or replaced, and hides what is put in its
// place. Engine's thread.
#pragma once

#include "absl/status/status.h"
#include "agent/engine/engine_context.h"
#include "agent/engine/situation.h"

namespace filesync {

// Ok while `directory`, or the next one above it that is there, is on the device that it was on
// when it was last in step, and what is missing below that was on no other. FailedPrecondition when
// it is not; else why it can't be told.
absl::Status ProveSameFileSystem(const EngineContext& context, const RelPath& directory);

// The same of what is in step and now looks deleted, or is a directory.
absl::Status ProveItIsSo(const EngineContext& context, const Situation& situation);

}  // namespace filesync
