#include "libs/model/modes.h"

#include <array>
#include <cctype>
#include <string>

namespace filesync {
namespace {

struct ModeNames {
  Mode mode;
  std::string_view name;
  std::string_view alias;
  std::string_view historical;  // folded as below
};
constexpr std::array<ModeNames, 5> kModes = {{
    {Mode::kTwoWay, "two-way", "tw", "twoway"},
    {Mode::kSourceToDestination, "source-to-destination", "std", "localtocloud"},
    {Mode::kSourceBackup, "source-backup", "sb", "localbackup"},
    {Mode::kDestinationToSource, "destination-to-source", "dts", "cloudtolocal"},
    {Mode::kDestinationBackup, "destination-backup", "db", "cloudbackup"},
}};

struct PolicyNames {
  ConflictPolicy policy;
  std::string_view name;
};
constexpr std::array<PolicyNames, 5> kPolicies = {{
    {ConflictPolicy::kNewest, "newest"},
    {ConflictPolicy::kKeepLocal, "keep-local"},
    {ConflictPolicy::kKeepRemote, "keep-remote"},
    {ConflictPolicy::kKeepBoth, "keep-both"},
    {ConflictPolicy::kManual, "manual"},
}};

struct WinnerNames {
  Winner winner;
  std::string_view name;
};
constexpr std::array<WinnerNames, 3> kWinners = {{
    {Winner::kNone, "merge"},
    {Winner::kLocal, "local-wins"},
    {Winner::kRemote, "remote-wins"},
}};

struct CompareNames {
  CompareBy compare;
  std::string_view name;
};
constexpr std::array<CompareNames, 5> kCompares = {{
    {CompareBy::kQuick, "quick"},
    {CompareBy::kHash, "hash"},
    {CompareBy::kSize, "size"},
    {CompareBy::kMtime, "mtime"},
    {CompareBy::kSizeMtime, "size-mtime"},
}};

// Lower case without '-' and '_': what all spellings of a name have in common.
std::string Folded(std::string_view text) {
  std::string folded;
  for (const char c : text) {
    if (c == '-' || c == '_') continue;
    folded.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return folded;
}

}  // namespace

std::string_view ModeName(Mode mode) {
  for (const ModeNames& names : kModes) {
    if (names.mode == mode) return names.name;
  }
  return "unknown";
}

std::optional<Mode> ParseMode(std::string_view text) {
  const std::string folded = Folded(text);
  for (const ModeNames& names : kModes) {
    if (folded == Folded(names.name) || folded == names.alias || folded == names.historical) {
      return names.mode;
    }
  }
  return std::nullopt;
}

std::string_view ConflictPolicyName(ConflictPolicy policy) {
  for (const PolicyNames& names : kPolicies) {
    if (names.policy == policy) return names.name;
  }
  return "unknown";
}

std::optional<ConflictPolicy> ParseConflictPolicy(std::string_view text) {
  const std::string folded = Folded(text);
  for (const PolicyNames& names : kPolicies) {
    if (folded == Folded(names.name)) return names.policy;
  }
  return std::nullopt;
}

std::string_view FirstSyncName(Winner winner) {
  for (const WinnerNames& names : kWinners) {
    if (names.winner == winner) return names.name;
  }
  return "unknown";
}

std::optional<Winner> ParseFirstSync(std::string_view text) {
  const std::string folded = Folded(text);
  for (const WinnerNames& names : kWinners) {
    if (folded == Folded(names.name)) return names.winner;
  }
  return std::nullopt;
}

std::string_view CompareName(CompareBy compare) {
  for (const CompareNames& names : kCompares) {
    if (names.compare == compare) return names.name;
  }
  return "unknown";
}

std::optional<CompareBy> ParseCompare(std::string_view text) {
  const std::string folded = Folded(text);
  for (const CompareNames& names : kCompares) {
    if (folded == Folded(names.name)) return names.compare;
  }
  return std::nullopt;
}

}  // namespace filesync
