// File times: whether they tell one write from the next. Thread-safe.
#pragma once

#include "libs/location/workspaces.h"

namespace filesync {

// True when each write to a file gets a time of its own on the file system of the directory `root`
// (a handle), where a file is made for a moment in `workspace`.
bool TellsWritesApart(int root, const WorkspacePtr& workspace);

}  // namespace filesync
