#include "agent/cli/event_commands.h"
#include "agent/cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <optional>

#include "agent/cli/ask_commands.h"
#include "agent/cli/control.h"
#include "agent/cli/control_proto.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/progress_text.h"
#include "agent/cli/terminal_block.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kTransfersWatched = 8;

absl::Time TimeOf(const control::v1::Event& event) {
  return absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
}

std::string Stamped(const control::v1::Event& event, const std::string& text) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ ", TimeOf(event), absl::UTCTimeZone()) + text;
}

// A line to stdout, at once. Not ok: nobody reads it any more.
absl::Status Say(const std::string& line) {
  Output("{}\n", line);
  if (fflush(stdout) != 0) return Cancelled("nobody reads the output");
  return absl::OkStatus();
}

absl::Status SayJson(const google::protobuf::Message& message) {
  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = false;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) {
    return Internal("an event can't be printed as JSON");
  }
  return Say(json);
}

std::string EventText(const control::v1::Event& event) {
  if (event.event_case() == control::v1::Event::kMissed) {
    return fmt::format("({} events were missed here)", event.missed());
  }
  const std::optional<SyncEvent> sync = FromProto(event.sync());
  return sync.has_value() ? ForPeople(*sync) : "(something this program does not know)";
}

// "in sync, 6 entries, 204.1 KiB".
std::string StateText(const control::v1::Status& status) {
  std::string text = fmt::format("{}, {} entries, {}", status.state(), status.entries(),
                                 ForPeople(status.bytes()));
  const uint64_t pending = status.pending_local() + status.pending_remote();
  if (pending > 0) text += fmt::format(", {} pending", pending);
  if (status.failed_count() > 0) text += fmt::format(", {} failed", status.failed_count());
  return text;
}

// The countdown of a retry is not news.
std::string StateNews(const control::v1::Status& status) {
  return status.state().starts_with("offline") ? "offline" : StateText(status);
}

// Follows until the agent ends; what to exit with.
int Follow(const std::string& directory, bool status,
           const std::function<absl::Status(const control::v1::Event&)>& take) {
  const absl::Status followed = FollowEvents(directory, status, take);
  if (followed.ok() || absl::IsCancelled(followed)) return kExitInSync;
  Output(stderr, "syncagent: {}\n", ToStd(followed.message()));
  return absl::IsNotFound(followed) ? kExitUsage : kExitSomeFailed;
}

}  // namespace

int RunEvents(const Invocation& asked) {
  const std::string& directory = asked.argument;
  const bool json = asked.Has("json");
  std::optional<TerminalBlock> block;
  if (!json && IsTerminal(STDOUT_FILENO)) block.emplace(STDOUT_FILENO);
  std::string state;
  const int code = Follow(directory, /*status=*/true, [&](const control::v1::Event& event) {
    if (json) return SayJson(event);
    if (event.has_progress()) {
      if (block.has_value())
        block->Show(ProgressLines(FromProto(event.progress()), kTransfersWatched));
      return absl::OkStatus();
    }
    std::string line;
    if (event.has_status()) {
      // Of how it stands only the state, when it is another.
      if (event.status().state().starts_with("offline") && state.starts_with("offline")) {
        return absl::OkStatus();
      }
      if (event.status().state() == state) return absl::OkStatus();
      state = event.status().state();
      line = Stamped(event, state);
    } else {
      line = Stamped(event, EventText(event));
    }
    if (block.has_value()) block->Hide();
    absl::Status said = Say(line);
    if (block.has_value()) block->ShowAgain();
    return said;
  });
  if (block.has_value()) block->Leave();
  return code;
}

int RunWatchStatus(const std::string& directory, bool json) {
  std::optional<TerminalBlock> block;
  if (!json && IsTerminal(STDOUT_FILENO)) block.emplace(STDOUT_FILENO);
  std::vector<std::string> status_lines;
  std::vector<std::string> progress_lines;
  std::string news;
  const int code = Follow(directory, /*status=*/true, [&](const control::v1::Event& event) {
    if (json) return event.has_status() ? SayJson(event.status()) : absl::OkStatus();
    if (event.has_status()) status_lines = StatusLines(event.status());
    if (event.has_progress()) {
      progress_lines = ProgressLines(FromProto(event.progress()), kTransfersWatched);
    }
    if (block.has_value()) {
      std::vector<std::string> lines = status_lines;
      lines.insert(lines.end(), progress_lines.begin(), progress_lines.end());
      block->Show(std::move(lines));
      return absl::OkStatus();
    }
    if (!event.has_status() || StateNews(event.status()) == news) return absl::OkStatus();
    news = StateNews(event.status());
    return Say(Stamped(event, StateText(event.status())));
  });
  if (block.has_value()) block->Leave();
  if (code == kExitInSync && !json) (void)Say("the agent has ended");
  return code;
}

}  // namespace filesync
