// What `syncagent` exits with.
#pragma once

namespace filesync {

inline constexpr int kExitInSync = 0;
inline constexpr int kExitSomeFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConflicts = 3;
inline constexpr int kExitHeld = 4;
inline constexpr int kExitUnreachable = 5;
inline constexpr int kExitHalted = 7;

}  // namespace filesync
