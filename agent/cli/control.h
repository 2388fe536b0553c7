// Control: the running agent's socket in .syncagent/, and who asks it. One message each way, but
// for events, which go on; see control_wire.h. Only the same user (or root) is answered.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/cli/event_feed.h"
#include "agent/engine/sync_manager.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

class ControlServer {
 public:
  virtual ~ControlServer() = default;
};

// Answers for the manager's location `directory` on its .syncagent/control.sock until it goes;
// `feed` is what those see who ask for events. All of them must outlive it.
absl::StatusOr<std::unique_ptr<ControlServer>> StartControlServer(const std::string& directory,
                                                                  SyncManager* manager,
                                                                  EventFeed* feed, Logger* log);

// The state of a directory, from the running agent, or, when none runs, from its state file.
absl::StatusOr<control::v1::Status> QueryStatus(const std::string& directory);

// What waits in a directory, from the running agent. NotFound: it is no synced directory;
// Unavailable: no agent runs for it.
absl::StatusOr<control::v1::PendingReport> RequestList(const std::string& directory);

// Calls `take` for how it stands and for what happens from now on, with `status` also whenever
// it stands otherwise, until the agent ends (ok) or `take` fails. NotFound: it is no synced
// directory; Unavailable: no agent runs for it.
absl::Status FollowEvents(const std::string& directory, bool status,
                          const std::function<absl::Status(const control::v1::Event&)>& take);

// Tells the running agent to pause or to go on. NotFound: it is no synced directory; Unavailable:
// no agent runs for it.
absl::Status RequestPause(const std::string& directory, bool paused);

// Decides about what the brake holds; when no agent runs, for the next one that does.
// FailedPrecondition: nothing is held; NotFound: as above.
absl::Status RequestHeld(const std::string& directory, bool confirm);

// Asks the running agent which ignore rule decides about `path`, a path in a synced directory,
// which need not exist; a '/' at its end asks for a directory. Errors as above.
absl::StatusOr<control::v1::IgnoreVerdict> RequestIgnoreTest(const std::string& path);

// A path and the synced directory that it lies in.
struct SyncedPath {
  std::string directory;  // canonical
  std::string path;       // counted from there; bytes as on disk
};
// `path` need not exist. NotFound: it is in no synced directory.
absl::StatusOr<SyncedPath> FindSyncedPath(const std::string& path);

// Tells the running agent to settle a conflict, or asks how that stands. nullopt: no agent runs.
absl::StatusOr<std::optional<control::v1::ResolveAnswer>> RequestResolve(const SyncedPath& path,
                                                                         control::v1::Keep keep);

}  // namespace filesync
