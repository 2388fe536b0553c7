// SyncServer: the whole server, put together; can be embedded in a test. Thread-safe.
//
// Starts: data directory, store, metadata, services, port, HTTP. Stops in the reverse order, and
// the mark of a clean stop is the last write.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/telemetry/log.h"
#include "services/syncd/config.h"

namespace filesync {

class SyncServer {
 public:
  // `clock` and `log` must outlive the server. FailedPrecondition when the data directory is in
  // use or is none of ours, Unavailable when a port cannot be had, DataLoss when the store is
  // damaged.
  static absl::StatusOr<std::unique_ptr<SyncServer>> Start(const ServerConfig& config,
                                                           const Clock* clock, Logger* log);
  // Stops at once, if Stop was not called.
  ~SyncServer();

  int port() const;
  int http_port() const;  // 0: off

  // Not ok once the store has met an error it cannot go on from: the server says NOT_SERVING
  // from then on, and is to be stopped.
  absl::Status Health();

  // For a watchdog, at intervals: false while the threads that serve are stuck with what they had
  // to do at an earlier call. One caller.
  bool Alive();

  // Tells all agents to come back after a random part of `spread`, lets what is being worked on
  // finish, for at most `grace`, and closes the store. The result says whether it closed cleanly.
  absl::Status Stop(absl::Duration spread, absl::Duration grace);

 private:
  struct Parts;
  explicit SyncServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace filesync
