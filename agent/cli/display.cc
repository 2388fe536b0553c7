#include "agent/cli/display.h"
#include "agent/cli/output.h"

#include <unistd.h>

#include "absl/time/clock.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kTransfersShown = 3;

// Thousands of lines may come in one second, whose text is the same.
std::string Timestamp() {
  thread_local int64_t second = -1;
  thread_local std::string text;
  const int64_t now_ms = absl::ToUnixMillis(absl::Now());
  if (now_ms / 1000 != second) {
    second = now_ms / 1000;
    text =
        absl::FormatTime("%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(second), absl::UTCTimeZone());
  }
  return fmt::format("{}.{:03}Z", text, now_ms % 1000);
}

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "ERROR ";
    case LogLevel::kWarn:
      return "WARN  ";
    case LogLevel::kDebug:
      return "DEBUG ";
    default:
      return "";
  }
}

}  // namespace

std::string StateLine(const SyncStatus& status) {
  std::string line =
      fmt::format("{}, {} entries, {}", status.state_text, status.entries, ForPeople(status.bytes));
  const uint64_t pending = status.pending_local + status.pending_remote;
  if (pending > 0) line += fmt::format(", {} pending", pending);
  return line;
}

Display::Display(bool terminal, bool color)
    : terminal_(terminal), color_(color), block_(STDOUT_FILENO) {}

void Display::Line(FILE* out, const std::string& text) {
  if (terminal_) {
    block_.Hide();
    Output(out, "{}\n", text);
  } else {
    Output(out, "{} {}\n", Timestamp(), text);
  }
  fflush(out);
  if (terminal_) block_.ShowAgain();
}

void Display::Log(LogLevel level, std::string_view message) {
  absl::MutexLock lock(&mutex_);
  const bool red = color_ && level == LogLevel::kError;
  Line(stderr, fmt::format("{}{}{}{}", red ? "\x1b[31m" : "", LevelName(level), message,
                           red ? "\x1b[0m" : ""));
}

void Display::Event(const std::string& label, const SyncEvent& event) {
  std::string text = ForPeople(event);
  if (!label.empty()) text = fmt::format("[{}] {}", label, text);
  absl::MutexLock lock(&mutex_);
  Line(stdout, text);
}

void Display::State(const std::vector<SyncStatus>& statuses) {
  absl::MutexLock lock(&mutex_);
  std::string line;
  last_states_.resize(statuses.size());
  for (size_t i = 0; i < statuses.size(); ++i) {
    const SyncStatus& status = statuses[i];
    if (!line.empty()) line += " | ";
    if (statuses.size() > 1) line += status.folder + ": ";
    line += StateLine(status);
    if (!terminal_ && status.state_text != last_states_[i]) {
      // The countdown of a retry is not news.
      const bool news =
          status.state != SyncState::kOffline || last_states_[i].compare(0, 7, "offline") != 0;
      last_states_[i] = status.state_text;
      if (news) Line(stdout, fmt::format("{}: {}", status.folder, status.state_text));
    }
  }
  state_line_ = EscapeForPeople(line);
  ShowBlock();
}

void Display::Progress(const SyncProgress& progress) {
  if (!terminal_) return;
  absl::MutexLock lock(&mutex_);
  progress_lines_ = ProgressLines(progress, kTransfersShown);
  ShowBlock();
}

void Display::ShowBlock() {
  if (!terminal_ || state_line_.empty()) return;
  std::vector<std::string> lines = {state_line_};
  lines.insert(lines.end(), progress_lines_.begin(), progress_lines_.end());
  block_.Show(std::move(lines));
}

void Display::Finish() {
  absl::MutexLock lock(&mutex_);
  if (terminal_) {
    progress_lines_.clear();
    ShowBlock();
    block_.Leave();
  }
  state_line_.clear();
}

void Display::Summary(const SyncStatus& status, absl::Duration took) {
  absl::MutexLock lock(&mutex_);
  std::string changes = fmt::format("sent {}, received {}", status.sent, status.received);
  const uint64_t deleted = status.deleted_here + status.deleted_there;
  if (deleted > 0) changes += fmt::format(", deleted {}", deleted);
  if (status.moved > 0) changes += fmt::format(", moved {}", status.moved);
  if (status.conflicts > 0) changes += fmt::format(", conflicts {}", status.conflicts);
  Line(stdout,
       fmt::format(
           "{}: {}; {}; {} up, {} down in {}; saved {} (duplicates {}, compression {}); "
           "{} entries, {}",
           status.folder, status.state_text, changes, ForPeople(status.bytes_sent),
           ForPeople(status.bytes_received), ForPeople(absl::Trunc(took, absl::Milliseconds(100))),
           ForPeople(status.bytes_saved), ForPeople(status.bytes_saved_by_deduplication),
           ForPeople(status.bytes_saved_by_compression), status.entries, ForPeople(status.bytes)));
}

}  // namespace filesync
