// Control: the running agent's socket in .syncagent/, and who asks it. One message each way,
// length-prefixed (4 bytes, big-endian). Only the same user (or root) is answered.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/engine/location_sync.h"
#include "filesync/control/v1/control.pb.h"

namespace filesync {

class ControlServer {
 public:
  virtual ~ControlServer() = default;
};

// Answers for `sync` on `directory`/.syncagent/control.sock until it goes. `sync` must outlive it.
absl::StatusOr<std::unique_ptr<ControlServer>> StartControlServer(const std::string& directory,
                                                                  LocationSync* sync, Logger* log);

// The state of a directory, from the running agent, or, when none runs, from its state file.
absl::StatusOr<control::v1::Status> QueryStatus(const std::string& directory);

// Tells the running agent to pause or to go on. NotFound: none runs, or it is no synced directory.
absl::Status RequestPause(const std::string& directory, bool paused);

void ToProto(const SyncStatus& status, bool running, control::v1::Status* proto);

}  // namespace filesync
