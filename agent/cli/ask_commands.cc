#include "agent/cli/ask_commands.h"
#include "agent/cli/output.h"

#include "absl/strings/numbers.h"
#include "agent/cli/control.h"
#include "agent/cli/event_commands.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/print_json.h"
#include "agent/cli/progress_text.h"
#include "libs/base/clock.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kAskPoll = absl::Milliseconds(100);
// An agent that was just started does not answer yet.
constexpr absl::Duration kGrace = absl::Seconds(5);

}  // namespace

std::vector<std::string> StatusLines(const control::v1::Status& status) {
  std::vector<std::string> lines;
  auto row = [&lines](const char* name, const std::string& value) {
    if (!value.empty()) lines.push_back(fmt::format("{:<12}{}", name, value));
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
  auto held = [&](const char* name, uint64_t deletions, uint64_t replacements) {
    if (deletions + replacements == 0) return;
    row(name, fmt::format("{} deletions, {} replaced files", deletions, replacements));
  };
  held("held here", status.held_deletions(), status.held_replacements());
  held("held back", status.held_incoming_deletions(), status.held_incoming_replacements());
  if (status.conflicts() > 0) row("conflicts", fmt::format("{}", status.conflicts()));
  if (status.running()) {
    row("traffic", fmt::format("sent {}, received {}, saved {} (duplicates {}, compression {})",
                               ForPeople(status.bytes_sent()), ForPeople(status.bytes_received()),
                               ForPeople(status.bytes_saved()),
                               ForPeople(status.bytes_saved_by_deduplication()),
                               ForPeople(status.bytes_saved_by_compression())));
  }
  row("last error", status.last_error());
  return lines;
}

int RunStatus(const Invocation& asked) {
  if (asked.Has("watch")) return RunWatchStatus(asked.argument, asked.Has("json"));
  const absl::StatusOr<control::v1::Status> status = QueryStatus(asked.argument);
  if (!status.ok()) return Complain(status.status());
  if (asked.Has("json")) return PrintJson(*status);
  for (const std::string& line : StatusLines(*status)) Output("{}\n", line);
  return kExitInSync;
}

int RunWait(const Invocation& asked) {
  RealClock clock;
  absl::Duration timeout = absl::InfiniteDuration();
  if (asked.Has("timeout")) {
    double seconds = 0;
    if (!absl::SimpleAtod(asked.Text("timeout"), &seconds) || !(seconds > 0)) {
      return Complain(InvalidArgument("--timeout {}: expected a number of seconds above 0",
                                      EscapeForPeople(asked.Text("timeout"))));
    }
    timeout = absl::Seconds(seconds);
  }
  const std::string& directory = asked.argument;
  const absl::Time began = clock.Now();
  while (true) {
    const absl::StatusOr<control::v1::Status> status = QueryStatus(directory);
    const absl::Duration waited = clock.Now() - began;
    // It makes its state when it starts.
    if (!status.ok() && waited < kGrace && PathExists(directory)) {
      clock.Sleep(kAskPoll);
      continue;
    }
    if (!status.ok()) return Complain(status.status());
    if (!status->running() && waited > kGrace) {
      return Complain(Unavailable("no agent runs for {}", directory));
    }
    if (status->state().starts_with(SyncStateName(SyncState::kHalted))) {
      Output(stderr, "syncagent: {}: {}\n", directory, status->state());
      return kExitHalted;
    }
    if (status->running() && status->state() == SyncStateName(SyncState::kInSync)) {
      return kExitInSync;
    }
    if (waited >= timeout) {
      Output(stderr, "syncagent: {} is not in sync after {}: {}\n", directory,
             absl::FormatDuration(timeout), status->state());
      return kExitSomeFailed;
    }
    clock.Sleep(kAskPoll);
  }
}

int RunPause(const Invocation& asked) {
  const bool paused = asked.command->name == "pause";
  const absl::Status told = RequestPause(asked.argument, paused);
  return told.ok() ? kExitInSync : Complain(told);
}

int RunHeld(const Invocation& asked) {
  const bool confirm = asked.command->name == "confirm";
  const absl::Status told = RequestHeld(asked.argument, confirm);
  return told.ok() ? kExitInSync : Complain(told);
}

int RunIgnoreTest(const Invocation& asked) {
  const std::string& path = asked.argument;
  const absl::StatusOr<control::v1::IgnoreVerdict> verdict = RequestIgnoreTest(path);
  if (!verdict.ok()) return Complain(verdict.status());
  if (asked.Has("json")) return PrintJson(*verdict);
  const char* is = verdict->ignored() ? "ignored" : "synced";
  if (verdict->source().empty()) {
    Output("{}: {}, no rule matches\n", EscapeForPeople(path), is);
  } else if (verdict->line() > 0) {
    Output("{}: {} by {}:{}: {}\n", EscapeForPeople(path), is, verdict->source(), verdict->line(),
           verdict->rule());
  } else {
    Output("{}: {} by {}\n", EscapeForPeople(path), is, verdict->source());
  }
  return kExitInSync;
}

}  // namespace filesync
