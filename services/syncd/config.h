// Config: syncd's command line and environment. Flags beat the environment. Thread-compatible.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/telemetry/log.h"
#include "libs/wire/channel.h"

namespace filesync {

struct ServerConfig {
  Endpoint listen{"127.0.0.1", 50051};
  std::string data;                                            // directory
  std::optional<Endpoint> http = Endpoint{"127.0.0.1", 9464};  // nullopt: off
  LogLevel log_level = LogLevel::kInfo;
  // Agents that are not seen for so long, while the server runs, are forgotten; infinite: never.
  absl::Duration forget_agents_after = absl::Hours(24 * 400);
};

struct CommandLine {
  enum class Command { kServe, kHealthCheck, kExit };
  Command command = Command::kExit;
  int exit_code = 0;  // kExit: 0 after --help and --version, 2 after an error
  ServerConfig config;
};

// Writes help to `out` and errors to `err`.
CommandLine ParseCommandLine(int argc, const char* const* argv, std::ostream& out,
                             std::ostream& err);

}  // namespace filesync
