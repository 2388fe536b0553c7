#include "agent/engine/location_parts.h"

#include <utility>

#include "agent/engine/planned_link.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/location/planned_directory.h"
#include "libs/paths/ignore_rules.h"

namespace filesync {
namespace {

constexpr char kStateFile[] = "state.db";

// A new state after one that was damaged: all of it is found again by a merge, whoever was to win
// a first sync.
absl::StatusOr<std::unique_ptr<State>> ToMerge(absl::StatusOr<std::unique_ptr<State>> state) {
  if (state.ok()) FS_RETURN_IF_ERROR((*state)->SetMeta(kFirstSyncKey, kFirstSyncDone));
  return state;
}

// A state file that is damaged is set aside.
absl::StatusOr<std::unique_ptr<State>> OpenState(const std::string& path, Clock& clock,
                                                 Logger& log) {
  absl::StatusOr<std::unique_ptr<State>> state = State::Open(path);
  if (!absl::IsDataLoss(state.status())) return state;
  FS_ASSIGN_OR_RETURN(const std::string aside,
                      SetFileAside(path, {"-wal", "-shm"}, absl::ToUnixSeconds(clock.Now())));
  log.Warn("{}; it was set aside, and both sides are compared anew", Describe(state.status()));
  return ToMerge(State::Open(path));
}

absl::StatusOr<std::unique_ptr<State>> CopyState(const std::string& directory, Logger& log) {
  absl::StatusOr<std::unique_ptr<State>> state = State::OpenCopy(directory, kStateFile);
  if (!absl::IsDataLoss(state.status())) return state;
  log.Warn("{}; a run will set it aside, and compare both sides anew", Describe(state.status()));
  return ToMerge(State::OpenCopy("", kStateFile));
}

std::unique_ptr<FileSystems> FileSystemsOf(const LocalDirectory& directory) {
  return std::make_unique<FileSystems>(directory.description(), directory.identity().device);
}

// Rules that would come decide about everything below them.
bool IsRuleFile(const Entry& entry) {
  const std::string_view name = entry.path.Name();
  return (name == kSyncignoreName || name == kGitignoreName) &&
         entry.content.size <= kMaxIgnoreFileBytes;
}

}  // namespace

absl::StatusOr<LocationParts> OpenParts(const LocationSyncOptions& options,
                                        std::unique_ptr<ServerLink> link, Clock* clock,
                                        Logger* log) {
  LocationParts parts;
  parts.link = std::move(link);
  FS_ASSIGN_OR_RETURN(
      parts.directory,
      LocalDirectory::Open(options.directory, clock, options.preserve, options.allow_shared_root));
  FS_ASSIGN_OR_RETURN(
      parts.state,
      OpenState(fmt::format("{}/{}", parts.directory->StateDirectoryPath(), kStateFile), *clock,
                *log));
  FS_RETURN_IF_ERROR(parts.state->UseFileSystems(FileSystemsOf(*parts.directory)));
  return parts;
}

absl::StatusOr<LocationParts> OpenPartsForDryRun(const LocationSyncOptions& options,
                                                 std::unique_ptr<ServerLink> link, Clock* clock,
                                                 Logger* log) {
  LocationParts parts;
  FS_ASSIGN_OR_RETURN(std::unique_ptr<LocalDirectory> here,
                      LocalDirectory::OpenToLook(options.directory, clock, options.preserve,
                                                 options.allow_shared_root));
  FS_ASSIGN_OR_RETURN(parts.state, CopyState(here->StateDirectoryPath(), *log));
  FS_RETURN_IF_ERROR(parts.state->UseFileSystems(FileSystemsOf(*here)));
  parts.directory = std::make_unique<PlannedDirectory>(std::move(here), clock);
  parts.link = std::make_unique<PlannedLink>(std::move(link), clock);
  parts.fetches = IsRuleFile;
  parts.watches = false;
  return parts;
}

}  // namespace filesync
