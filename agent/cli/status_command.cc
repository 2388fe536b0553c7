// The command `status`.

#include <google/protobuf/util/json_util.h>

#include "agent/cli/control.h"
#include "agent/cli/display.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/run_command.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

void Print(const control::v1::Status& status) {
  auto row = [](const char* name, const std::string& value) {
    if (!value.empty()) fmt::print("{:<12}{}\n", name, value);
  };
  row("directory", status.directory());
  row("folder", status.folder());
  row("server", status.server());
  row("agent", fmt::format("{} ({})", status.agent_name(), status.agent_id()));
  row("state", status.state());
  row("entries", fmt::format("{} ({})", status.entries(), ForPeople(status.bytes())));
  row("mode", status.mode());
  row("version", fmt::format("{}", status.applied_version()));
  const uint64_t pending = status.pending_local() + status.pending_remote();
  if (pending > 0) {
    row("pending",
        fmt::format("{} to send, {} to apply", status.pending_local(), status.pending_remote()));
    for (const std::string& path : status.pending_paths()) row("", "  " + path);
  }
  if (status.failed_count() > 0) {
    row("failed", fmt::format("{}", status.failed_count()));
    for (const auto& failed : status.failed_paths()) {
      row("", fmt::format("  {}: {}", failed.path(), failed.reason()));
    }
  }
  if (status.conflicts() > 0) row("conflicts", fmt::format("{}", status.conflicts()));
  if (status.running()) {
    row("traffic",
        fmt::format("sent {}, received {}, saved {}", ForPeople(status.bytes_sent()),
                    ForPeople(status.bytes_received()), ForPeople(status.bytes_saved())));
  }
  row("last error", status.last_error());
}

}  // namespace

int RunStatus(const AgentOptions& options) {
  const absl::StatusOr<control::v1::Status> status =
      QueryStatus(options.locations.front().directory);
  if (!status.ok()) {
    fmt::print(stderr, "syncagent: {}\n", ToStd(status.status().message()));
    return absl::IsNotFound(status.status()) ? kExitUsage : kExitSomeFailed;
  }
  if (options.json) {
    std::string json;
    google::protobuf::util::JsonPrintOptions print;
    print.add_whitespace = true;
    if (!google::protobuf::util::MessageToJsonString(*status, &json, print).ok()) {
      fmt::print(stderr, "syncagent: the status can't be printed as JSON\n");
      return kExitSomeFailed;
    }
    fmt::print("{}", json);
    return kExitInSync;
  }
  Print(*status);
  return kExitInSync;
}

}  // namespace filesync
