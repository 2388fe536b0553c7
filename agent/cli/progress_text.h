// How progress, events and amounts read for people. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/engine/progress.h"
#include "agent/engine/sync_event.h"

namespace filesync {

// "1.5 MiB".
std::string ForPeople(uint64_t bytes);
// "3 s", "2 min 5 s", "1 h 7 min".
std::string ForPeople(absl::Duration duration);

// "sent notes.txt", "moved a -> b", "failed x: no space left".
std::string ForPeople(const SyncEvent& event);

// A line for the whole, and one for each of the first `most` transfers under way; none when
// nothing moves.
std::vector<std::string> ProgressLines(const SyncProgress& progress, size_t most);

}  // namespace filesync
