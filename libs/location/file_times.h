// File times: whether they tell one write from the next. Thread-safe.
#pragma once

namespace filesync {

// True when each write to a file gets a time of its own, by handles of a directory on that file
// system and of one where a file may be made for a moment.
bool TellsWritesApart(int root, int tmp);

}  // namespace filesync
