// TerminalBlock: a few lines at the end of a terminal's output that are written anew in place.
// Lines are cut at the terminal's width, so that none wraps. Thread-compatible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace filesync {

class TerminalBlock {
 public:
  // `fd` is a terminal.
  explicit TerminalBlock(int fd) : fd_(fd) {}

  // Replaces what is shown; no more lines than leave the terminal some room. Nothing when it is
  // shown already.
  void Show(std::vector<std::string> lines);
  // Takes the block away, for other output in its place; ShowAgain brings it back.
  void Hide();
  void ShowAgain();
  // Leaves it as it stands, with the cursor on a line of its own.
  void Leave();

 private:
  void Write(const std::string& bytes) const;

  const int fd_;
  std::vector<std::string> lines_;
  bool shown_ = false;
};

// A terminal that can rewrite a line.
bool IsTerminal(int fd);

// The longest beginning of `text` (UTF-8, printable) that is certain to take no more than
// `columns` of a terminal: what is not ASCII counts twice.
std::string_view FitColumns(std::string_view text, size_t columns);

}  // namespace filesync
