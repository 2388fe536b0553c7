#include "services/syncd/config.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <ostream>

#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "libs/base/version.h"

namespace filesync {
namespace {

constexpr int kUsageError = 2;
constexpr absl::Duration kLongestAbsence = absl::Hours(24 * 36'500);
constexpr char kSystemData[] = "/var/lib/filesync";

std::string DefaultData() {
  if (geteuid() == 0) return kSystemData;
  const char* data = std::getenv("XDG_DATA_HOME");
  if (data != nullptr && *data == '/') return std::string(data) + "/filesync";
  const char* home = std::getenv("HOME");
  return home != nullptr && *home == '/' ? std::string(home) + "/.local/share/filesync"
                                         : kSystemData;
}

struct Texts {
  std::string listen = "127.0.0.1:50051";
  std::string data = DefaultData();
  std::string http = "127.0.0.1:9464";
  std::string log_level = "info";
  std::string forget_agents_after = "400d";
};

// Days ("400d"), or hours, minutes and seconds ("36h", "1h30m").
absl::StatusOr<absl::Duration> ParseAbsence(const std::string& text) {
  if (text == "never") return absl::InfiniteDuration();
  absl::Duration parsed;
  uint32_t days = 0;
  if (text.ends_with('d') && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days)) {
    parsed = absl::Hours(24) * days;
  } else if (!absl::ParseDuration(text, &parsed)) {
    parsed = absl::ZeroDuration();
  }
  if (parsed >= absl::Seconds(1) && parsed <= kLongestAbsence) return parsed;
  return InvalidArgument(
      "--forget-agents-after: \"{}\" is no time of 1s to 36500d, such as 400d, 36h or never", text);
}

absl::StatusOr<ServerConfig> ToConfig(const Texts& texts) {
  ServerConfig config;
  absl::StatusOr<Endpoint> listen = ParseEndpoint(texts.listen, /*allow_any_port=*/true);
  if (!listen.ok()) return Annotate(listen.status(), "--listen");
  config.listen = *std::move(listen);
  if (texts.data.empty()) return InvalidArgument("--data: no directory is named");
  config.data = texts.data;
  if (texts.http == "off") {
    config.http.reset();
  } else {
    absl::StatusOr<Endpoint> http = ParseEndpoint(texts.http, /*allow_any_port=*/true);
    if (!http.ok()) return Annotate(http.status(), "--http (HOST:PORT, or off)");
    config.http = *std::move(http);
  }
  if (!ParseLogLevel(texts.log_level, config.log_level)) {
    return InvalidArgument("--log-level: \"{}\" is none of debug, info, warn, error, off",
                           texts.log_level);
  }
  FS_ASSIGN_OR_RETURN(config.forget_agents_after, ParseAbsence(texts.forget_agents_after));
  return config;
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv, std::ostream& out,
                             std::ostream& err) {
  Texts texts;
  CLI::App app("syncd: the server that holds folders and keeps agents in step", "syncd");
  app.set_version_flag("--version", std::string("syncd ") + kVersion);
  app.add_option("--listen", texts.listen, "Address for agents and admin calls, HOST:PORT")
      ->envname("SYNCD_LISTEN")
      ->capture_default_str();
  app.add_option("--data", texts.data, "Data directory; made if missing")
      ->envname("SYNCD_DATA")
      ->capture_default_str();
  app.add_option("--http", texts.http,
                 "Address for /metrics, /healthz and /readyz, HOST:PORT, or off")
      ->envname("SYNCD_HTTP")
      ->capture_default_str();
  app.add_option("--log-level", texts.log_level, "debug, info, warn, error or off")
      ->envname("SYNCD_LOG_LEVEL")
      ->capture_default_str();
  app.add_option("--forget-agents-after", texts.forget_agents_after,
                 "Forget agents that were not seen for so long (400d, 36h), or never")
      ->envname("SYNCD_FORGET_AGENTS_AFTER")
      ->capture_default_str();
  app.fallthrough();
  app.require_subcommand(0, 1);
  const CLI::App* health = app.add_subcommand(
      "healthcheck", "Asks the server at --listen whether it serves: exit 0 or 1");
  CommandLine result;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    result.exit_code = app.exit(error, out, err) == 0 ? 0 : kUsageError;
    return result;
  }
  absl::StatusOr<ServerConfig> config = ToConfig(texts);
  if (!config.ok()) {
    err << "syncd: " << ToStd(config.status().message()) << "\nRun with --help for usage.\n";
    result.exit_code = kUsageError;
    return result;
  }
  result.config = *std::move(config);
  result.command =
      health->parsed() ? CommandLine::Command::kHealthCheck : CommandLine::Command::kServe;
  return result;
}

}  // namespace filesync
