#include "libs/paths/ignore_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "libs/base/status.h"

namespace filesync {

absl::StatusOr<IgnoreFile> IgnoreFile::Parse(IgnoreSource source, const RelPath& directory,
                                             std::string_view name, std::string_view text) {
  if (text.size() > kMaxIgnoreFileBytes) {
    return InvalidArgument("{} has {} bytes, more than {}", name, text.size(), kMaxIgnoreFileBytes);
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  IgnoreFile file(source, directory, name);
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    FS_RETURN_IF_ERROR(file.AddLine(number, text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  file.rules_.shrink_to_fit();
  return file;
}

absl::Status IgnoreFile::AddLine(size_t number, std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const IgnoreSyntax syntax =
      source_ == IgnoreSource::kGitignore ? IgnoreSyntax::kGit : IgnoreSyntax::kSync;
  absl::StatusOr<std::optional<IgnorePattern>> pattern = IgnorePattern::Parse(line, syntax);
  if (!pattern.ok()) return Annotate(pattern.status(), fmt::format("{} line {}", name_, number));
  if (!pattern->has_value()) return absl::OkStatus();
  if (rules_.size() == kMaxIgnorePatterns) {
    return InvalidArgument("{} line {}: the file has more than {} patterns", name_, number,
                           kMaxIgnorePatterns);
  }
  rules_.push_back({number, **std::move(pattern)});
  return absl::OkStatus();
}

const IgnoreFile::Rule* IgnoreFile::LastMatch(std::string_view path, bool is_directory) const {
  if (!directory_.IsRoot()) path.remove_prefix(directory_.bytes().size() + 1);
  const IgnorePattern::Candidate candidate = {path, path.substr(path.rfind('/') + 1), is_directory};
  const auto last = std::find_if(rules_.rbegin(), rules_.rend(),
                                 [&](const Rule& rule) { return rule.pattern.Matches(candidate); });
  return last == rules_.rend() ? nullptr : &*last;
}

}  // namespace filesync
