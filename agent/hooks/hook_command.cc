#include "agent/hooks/hook_command.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::string_view kForShells = "|&;<>()$`*?[\n";
constexpr std::string_view kForShellsInQuotes = "$`";
constexpr std::string_view kForShellsAtTheStart = "~#";

absl::Status NeedsShell(char c) {
  return InvalidArgument(
      "{} means something to a shell only, and none runs this: put it in '...', or run a shell: "
      "sh -c '...'",
      c == '\n' ? std::string("a line break") : fmt::format("'{}'", c));
}

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<std::string>> Run() {
    while (at_ < text_.size()) FS_RETURN_IF_ERROR(Next());
    EndWord();
    if (words_.empty() || words_.front().empty()) {
      return InvalidArgument("expected a command: a program and its arguments");
    }
    return std::move(words_);
  }

 private:
  absl::Status Next() {
    const char c = text_[at_++];
    if (c == ' ' || c == '\t') {
      EndWord();
      return absl::OkStatus();
    }
    const bool start = !in_word_;
    in_word_ = true;
    if (c == '\'') return SingleQuoted();
    if (c == '"') return DoubleQuoted();
    if (c == '\\') {
      if (at_ == text_.size()) return InvalidArgument("it ends in a backslash");
      word_.push_back(text_[at_++]);
      return absl::OkStatus();
    }
    if (kForShells.find(c) != std::string_view::npos ||
        (start && kForShellsAtTheStart.find(c) != std::string_view::npos)) {
      return NeedsShell(c);
    }
    word_.push_back(c);
    return absl::OkStatus();
  }

  absl::Status SingleQuoted() {
    const size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) return InvalidArgument("expected a closing '");
    word_.append(text_.substr(at_, end - at_));
    at_ = end + 1;
    return absl::OkStatus();
  }

  absl::Status DoubleQuoted() {
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return absl::OkStatus();
      if (kForShellsInQuotes.find(c) != std::string_view::npos) return NeedsShell(c);
      if (c == '\\' && at_ < text_.size() &&
          std::string_view("\\\"$`").find(text_[at_]) != std::string_view::npos) {
        c = text_[at_++];
      }
      word_.push_back(c);
    }
    return InvalidArgument("expected a closing \"");
  }

  void EndWord() {
    if (in_word_) words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool in_word_ = false;
  std::string word_;
  std::vector<std::string> words_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseHookCommand(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return InvalidArgument("it holds a NUL");
  return Splitter(text).Run();
}

}  // namespace filesync
