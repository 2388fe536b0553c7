// Conflicts as people read them at a terminal. Thread-safe.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "libs/wire/conflict_list.h"

namespace filesync {

// "file, 1.5 KiB, 2026-11-21 10:10:10, by laptop"; local time.
std::string ForPeople(const ListedSide& side);
// "2026-11-21 10:10:10"; local time.
std::string ForPeople(absl::Time time);

}  // namespace filesync
