#include "agent/cli/display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "agent/cli/action_list.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kSpeedWindow = absl::Milliseconds(500);

std::string Timestamp() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
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

size_t TerminalWidth() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

std::string ForPeople(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

Display::Display(bool terminal, bool color) : terminal_(terminal), color_(color) {}

void Display::ClearStateLine() {
  if (state_line_.empty()) return;
  fmt::print(stdout, "\r\x1b[K");
  fflush(stdout);
}

void Display::Line(FILE* out, const std::string& text) {
  if (terminal_) ClearStateLine();
  if (terminal_) {
    fmt::print(out, "{}\n", text);
  } else {
    fmt::print(out, "{} {}\n", Timestamp(), text);
  }
  fflush(out);
  if (terminal_ && !state_line_.empty()) {
    fmt::print(stdout, "{}", state_line_);
    fflush(stdout);
  }
}

void Display::Log(LogLevel level, std::string_view message) {
  absl::MutexLock lock(&mutex_);
  const bool red = color_ && level == LogLevel::kError;
  Line(stderr, fmt::format("{}{}{}{}", red ? "\x1b[31m" : "", LevelName(level), message,
                           red ? "\x1b[0m" : ""));
}

void Display::Event(const std::string& label, const SyncEvent& event) {
  std::string text = DescribeDone(event);
  if (!label.empty()) text = fmt::format("[{}] {}", label, text);
  absl::MutexLock lock(&mutex_);
  Line(stdout, text);
}

void Display::State(const std::vector<SyncStatus>& statuses) {
  absl::MutexLock lock(&mutex_);
  uint64_t moved = 0;
  uint64_t to_move = 0;
  std::string line;
  last_states_.resize(statuses.size());
  for (size_t i = 0; i < statuses.size(); ++i) {
    const SyncStatus& status = statuses[i];
    moved += status.bytes_moved;
    to_move += status.bytes_to_move;
    if (!line.empty()) line += " | ";
    if (statuses.size() > 1) line += status.folder + ": ";
    line += fmt::format("{}, {} entries, {}", status.state_text, status.entries,
                        ForPeople(status.bytes));
    const uint64_t pending = status.pending_local + status.pending_remote;
    if (pending > 0) line += fmt::format(", {} pending", pending);
    if (!terminal_ && status.state_text != last_states_[i]) {
      // The countdown of a retry is not news.
      const bool news =
          status.state != SyncState::kOffline || last_states_[i].compare(0, 7, "offline") != 0;
      last_states_[i] = status.state_text;
      if (news) Line(stdout, fmt::format("{}: {}", status.folder, status.state_text));
    }
  }
  if (!terminal_) return;
  const absl::Time now = absl::Now();
  if (now - speed_since_ >= kSpeedWindow) {
    const double seconds = absl::ToDoubleSeconds(now - speed_since_);
    speed_ = speed_since_ == absl::InfinitePast()
                 ? 0
                 : static_cast<double>(moved - speed_from_) / seconds;
    speed_since_ = now;
    speed_from_ = moved;
  }
  if (to_move > moved && speed_ > 0) {
    const auto left = static_cast<double>(to_move - moved) / speed_;
    line += fmt::format(", {} of {} at {}/s, {} left", ForPeople(moved), ForPeople(to_move),
                        ForPeople(static_cast<uint64_t>(speed_)),
                        absl::FormatDuration(absl::Seconds(static_cast<int64_t>(left) + 1)));
  }
  const size_t width = TerminalWidth();
  if (line.size() >= width) line.resize(width - 1);
  if (line == state_line_) return;
  ClearStateLine();
  state_line_ = line;
  fmt::print(stdout, "{}", state_line_);
  fflush(stdout);
}

void Display::Finish() {
  absl::MutexLock lock(&mutex_);
  if (terminal_ && !state_line_.empty()) fmt::print(stdout, "\n");
  state_line_.clear();
  fflush(stdout);
}

void Display::Summary(const SyncStatus& status) {
  absl::MutexLock lock(&mutex_);
  state_line_.clear();
  Line(stdout, fmt::format("{}: {}; {} entries, {}; sent {}, received {}, saved {}", status.folder,
                           status.state_text, status.entries, ForPeople(status.bytes),
                           ForPeople(status.bytes_sent), ForPeople(status.bytes_received),
                           ForPeople(status.bytes_saved)));
}

}  // namespace filesync
