// syncd: starts the server, waits for a signal or a failed store, stops.
#include <signal.h>
#include <stdlib.h>

#include <iostream>

#include "libs/base/clock.h"
#include "libs/base/proc.h"
#include "libs/base/status.h"
#include "services/syncd/config.h"
#include "services/syncd/health_check.h"
#include "services/syncd/server.h"
#include "services/syncd/service_manager.h"

namespace filesync {
namespace {

constexpr absl::Duration kSpread = absl::Seconds(5);
constexpr absl::Duration kGrace = absl::Seconds(8);
constexpr absl::Duration kGraceFailed = absl::Seconds(1);

// Blocked in all threads; taken by the main one.
sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Returns when a stop signal came (true) or the store has failed (false).
bool WaitForEnd(const sigset_t& signals, SyncServer& server, ServiceManager& manager) {
  const timespec interval = {1, 0};
  while (server.Health().ok()) {
    if (server.Alive()) manager.Alive();
    if (sigtimedwait(&signals, nullptr, &interval) > 0) return true;
  }
  return false;
}

int Serve(const ServerConfig& config) {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  RealClock clock;
  Logger log(config.log_level);
  absl::StatusOr<std::unique_ptr<SyncServer>> server = SyncServer::Start(config, &clock, &log);
  if (!server.ok()) {
    std::cerr << "syncd: " << Describe(server.status()) << "\n";
    return 1;
  }
  ServiceManager manager;
  manager.Ready();
  const bool asked = WaitForEnd(signals, **server, manager);
  manager.Stopping();
  // Of a store that has failed nobody gets anything more.
  const absl::Status stopped = asked ? (*server)->Stop(kSpread, kGrace)
                                     : (*server)->Stop(absl::ZeroDuration(), kGraceFailed);
  return asked && stopped.ok() ? 0 : 1;
}

}  // namespace
}  // namespace filesync

int main(int argc, char** argv) {
  filesync::KeepFreedBuffers();
  filesync::CheckNoLockOrder();
  // gRPC writes to stderr by itself; what operators need is in this program's own log.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const filesync::CommandLine line = filesync::ParseCommandLine(argc, argv, std::cout, std::cerr);
  switch (line.command) {
    case filesync::CommandLine::Command::kExit:
      return line.exit_code;
    case filesync::CommandLine::Command::kHealthCheck: {
      const absl::Status health = filesync::CheckHealth(line.config.listen);
      if (!health.ok()) std::cerr << "syncd: " << filesync::Describe(health) << "\n";
      return health.ok() ? 0 : 1;
    }
    case filesync::CommandLine::Command::kServe:
      return filesync::Serve(line.config);
  }
  return 1;
}
