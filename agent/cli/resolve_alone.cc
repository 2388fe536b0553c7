#include "agent/cli/resolve_alone.h"

#include "agent/cli/answer_resolve.h"
#include "agent/engine/grpc_link.h"
#include "agent/engine/location_sync.h"
#include "agent/engine/state/state.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kAlonePoll = absl::Milliseconds(50);
constexpr uint64_t kConnectionTries = 4;

// What the agent that ran last was told.
struct LastRun {
  std::string folder;
  std::string server;
  std::string agent_name;
  bool held = false;  // the folder has something at the path that was not applied here
};

absl::StatusOr<LastRun> ReadLastRun(const std::string& directory, const RelPath& path) {
  FS_ASSIGN_OR_RETURN(const UniqueFd fd,
                      OpenDirectory(fmt::format("{}/{}", directory, kStateDirectoryName)));
  FS_ASSIGN_OR_RETURN(const std::unique_ptr<State> state,
                      State::OpenReadOnly(fmt::format("/proc/self/fd/{}/state.db", fd.get())));
  LastRun last;
  const std::pair<const char*, std::string*> texts[] = {
      {"folder", &last.folder}, {"server", &last.server}, {"agent_name", &last.agent_name}};
  for (const auto& [key, text] : texts) {
    FS_ASSIGN_OR_RETURN(const auto value, state->GetMeta(key));
    if (!value.has_value()) return FailedPrecondition("{} was never synced", directory);
    *text = *value;
  }
  FS_ASSIGN_OR_RETURN(const auto remote, state->GetRemote(path));
  last.held = remote.has_value();
  return last;
}

// Waits until the engine has nothing left to do.
absl::Status Finish(LocationSync& sync, const std::string& server, Clock& clock) {
  while (true) {
    const SyncStatus status = sync.status();
    switch (status.state) {
      case SyncState::kInSync:
        return absl::OkStatus();
      case SyncState::kHalted:
        return FailedPrecondition("{}", status.state_text);
      case SyncState::kOffline:
        if (status.connection_failures < kConnectionTries) break;
        return Unavailable("the server {} can't be reached: {}", server, status.last_error);
      case SyncState::kHeld:
        return FailedPrecondition("{}", status.state_text);
      case SyncState::kIncomplete:
        if (status.settled_failures < status.failed_count) break;
        return Aborted("{}", status.failed_paths.empty() ? status.last_error
                                                         : status.failed_paths.front().reason);
      default:
        break;
    }
    clock.Sleep(kAlonePoll);
  }
}

}  // namespace

absl::Status ResolveAlone(const SyncedPath& path, control::v1::Keep keep) {
  FS_ASSIGN_OR_RETURN(const RelPath relative, RelPath::Parse(path.path));
  FS_ASSIGN_OR_RETURN(const LastRun last, ReadLastRun(path.directory, relative));
  const std::optional<ConflictPolicy> decision = PolicyOf(keep);
  if (decision.has_value() && !last.held) {
    return NotFound("no conflict is held here at {}", relative.ForPeople());
  }
  RealClock clock;
  TransferLimits limits(&clock);
  Logger log(LogLevel::kOff, [](LogLevel, std::string_view) {});
  LocationSyncOptions options;
  options.directory = path.directory;
  options.folder = last.folder;
  options.server = last.server;
  options.agent_name = last.agent_name;
  options.ignore_pause = true;
  options.only = relative;
  options.decision = decision;
  FS_RETURN_IF_ERROR(options.policies.Add("manual"));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<ServerLink> link,
                      NewGrpcLink(last.server, &limits, options.priority));
  FS_ASSIGN_OR_RETURN(LocationParts parts, OpenParts(options, std::move(link), &clock, &log));
  FS_ASSIGN_OR_RETURN(const std::unique_ptr<LocationSync> sync,
                      LocationSync::Create(std::move(options), std::move(parts), &clock, &log));
  sync->Start();
  absl::Status done;
  if (!decision.has_value()) done = sync->ResolveCopy(relative, keep == control::v1::KEEP_COPY);
  if (done.ok()) done = Finish(*sync, last.server, clock);
  sync->Stop();
  return done;
}

}  // namespace filesync
