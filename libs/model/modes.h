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

// "newest", "keep-local", "keep-remote", "keep-both", "manual".
std::string_view ConflictPolicyName(ConflictPolicy policy);
std::optional<ConflictPolicy> ParseConflictPolicy(std::string_view text);

}  // namespace filesync
