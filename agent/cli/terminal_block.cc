#include "agent/cli/terminal_block.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "libs/paths/utf8.h"

namespace filesync {
namespace {

winsize SizeOf(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size.ws_col = 80;
  if (size.ws_row == 0) size.ws_row = 24;
  return size;
}

}  // namespace

bool IsTerminal(int fd) {
  const char* term = std::getenv("TERM");
  return isatty(fd) == 1 && (term == nullptr || std::string_view(term) != "dumb");
}

std::string_view FitColumns(std::string_view text, size_t columns) {
  size_t used = 0;
  size_t taken = 0;
  while (taken < text.size()) {
    const size_t length = std::max<size_t>(1, DecodeUtf8(text.substr(taken)).length);
    used += length == 1 ? 1 : 2;
    if (used > columns) break;
    taken += length;
  }
  return text.substr(0, taken);
}

void TerminalBlock::Write(const std::string& bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

void TerminalBlock::Show(std::vector<std::string> lines) {
  const winsize size = SizeOf(fd_);
  // One line at least, and not more than half of a small terminal.
  lines.resize(std::min<size_t>(lines.size(), std::max(1, size.ws_row / 2)));
  for (std::string& line : lines) {
    line.resize(FitColumns(line, size.ws_col - 1u).size());
  }
  if (shown_ && lines == lines_) return;
  Hide();
  lines_ = std::move(lines);
  ShowAgain();
}

void TerminalBlock::Hide() {
  if (!shown_) return;
  std::string bytes = "\r\x1b[K";
  for (size_t i = 1; i < lines_.size(); ++i) bytes += "\x1b[A\x1b[K";
  Write(bytes);
  shown_ = false;
}

void TerminalBlock::ShowAgain() {
  if (shown_ || lines_.empty()) return;
  std::string bytes = lines_.front();
  for (size_t i = 1; i < lines_.size(); ++i) bytes += "\r\n" + lines_[i];
  Write(bytes);
  shown_ = true;
}

void TerminalBlock::Leave() {
  if (shown_) Write("\r\n");
  shown_ = false;
  lines_.clear();
}

}  // namespace filesync
