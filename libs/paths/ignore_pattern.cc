#include "libs/paths/ignore_pattern.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::string_view kDeletablePrefix = "(?d)";

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Blanks at the end don't count, but for one that a backslash stands before.
std::string_view WithoutTrailingBlanks(std::string_view line) {
  size_t end = 0;  // behind the last byte that counts
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ' ') continue;
    if (line[i] == '\\') ++i;
    end = i + 1;
  }
  return line.substr(0, end);
}

}  // namespace

absl::StatusOr<std::optional<IgnorePattern>> IgnorePattern::Parse(std::string_view line,
                                                                  IgnoreSyntax syntax) {
  if (line.starts_with('#')) return std::nullopt;
  if (line.size() > kMaxIgnorePatternBytes) {
    return InvalidArgument("the pattern has {} bytes, more than {}", line.size(),
                           kMaxIgnorePatternBytes);
  }
  // git reads lines as C strings; no path holds a NUL anyway.
  line = WithoutTrailingBlanks(line.substr(0, line.find('\0')));
  if (line.empty()) return std::nullopt;
  return IgnorePattern(line, syntax);
}

IgnorePattern::IgnorePattern(std::string_view text, IgnoreSyntax syntax) : text_(text), glob_("") {
  deletable_ = syntax == IgnoreSyntax::kSync && TakePrefix(text, kDeletablePrefix);
  negated_ = TakePrefix(text, "!");
  directories_only_ = text.ends_with('/');
  if (directories_only_) text.remove_suffix(1);
  anchored_ = text.find('/') != std::string_view::npos;
  TakePrefix(text, "/");
  glob_ = Glob(text);
}

bool IgnorePattern::Matches(const Candidate& candidate) const {
  if (directories_only_ && !candidate.is_directory) return false;
  return glob_.Matches(anchored_ ? candidate.path : candidate.name);
}

}  // namespace filesync
