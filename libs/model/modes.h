// Modes and conflict policies, by the names people know. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace filesync {

// "Source" is the agent's location, "destination" the folder on the server.
enum class Mode : uint8_t {
  kTwoWay,
  kSourceToDestination,
  kSourceBackup,
  kDestinationToSource,
  kDestinationBackup,
};

enum class ConflictPolicy : uint8_t { kNewest, kKeepLocal, kKeepRemote, kKeepBoth, kManual };

// "two-way", "source-to-destination", …
std::string_view ModeName(Mode mode);
// Accepts the name, the short alias (tw, std, sb, dts, db), the CamelCase and UPPER_CASE forms
// and the historical names (localToCloud, cloudToLocal, localBackup, cloudBackup).
std::optional<Mode> ParseMode(std::string_view text);

// Additions and changes travel one way, and nothing is deleted by a deletion.
constexpr bool IsBackup(Mode mode) {
  return mode == Mode::kSourceBackup || mode == Mode::kDestinationBackup;
}
// A rename at the source is a rename at the destination; elsewhere both halves go their own way.
constexpr bool RenamesAreSent(Mode mode) {
  return mode == Mode::kTwoWay || mode == Mode::kSourceToDestination;
}
constexpr bool RenamesAreReceived(Mode mode) {
  return mode == Mode::kTwoWay || mode == Mode::kDestinationToSource;
}

// What others change is changed here.
constexpr bool IsReceived(Mode mode) {
  return mode != Mode::kSourceToDestination && mode != Mode::kSourceBackup;
}

// Whose side decides where both sides are compared as a whole, once: in a first sync, or by force.
// kNone: nobody's, both are merged.
enum class Winner : uint8_t { kNone = 0, kLocal = 1, kRemote = 2 };
// "merge", "local-wins", "remote-wins".
std::string_view FirstSyncName(Winner winner);
std::optional<Winner> ParseFirstSync(std::string_view text);
// What the winner's side decides, it decides as a mirror's source does.
constexpr Mode ModeOf(Winner winner, Mode otherwise) {
  if (winner == Winner::kNone) return otherwise;
  return winner == Winner::kLocal ? Mode::kSourceToDestination : Mode::kDestinationToSource;
}

// How a scan tells that a file needs no look, by what it was when it was last in step.
enum class CompareBy : uint8_t {
  kQuick,      // size, mtime, ctime and inode are the same
  kHash,       // never: its content is read and hashed
  kSize,       // the size is the same
  kMtime,      // the mtime is
  kSizeMtime,  // both are
};
// "quick", "hash", "size", "mtime", "size-mtime".
std::string_view CompareName(CompareBy compare);
std::optional<CompareBy> ParseCompare(std::string_view text);

// "newest", "keep-local", "keep-remote", "keep-both", "manual".
std::string_view ConflictPolicyName(ConflictPolicy policy);
std::optional<ConflictPolicy> ParseConflictPolicy(std::string_view text);

}  // namespace filesync
