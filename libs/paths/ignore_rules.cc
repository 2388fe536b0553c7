#include "libs/paths/ignore_rules.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// The directory that holds `path`, which is not the root.
std::string_view ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

}  // namespace

void IgnoreRules::Set(IgnoreFile file) {
  if (file.empty()) return Remove(file.source(), file.directory());
  const auto shared = std::make_shared<const IgnoreFile>(std::move(file));
  Sources& sources = directories_[shared->directory().bytes()];
  sources[static_cast<size_t>(shared->source())] = shared;
}

void IgnoreRules::Remove(IgnoreSource source, const RelPath& directory) {
  const auto found = directories_.find(directory.bytes());
  if (found == directories_.end()) return;
  Sources& sources = found->second;
  sources[static_cast<size_t>(source)].reset();
  const bool empty =
      std::all_of(sources.begin(), sources.end(), [](const auto& file) { return file == nullptr; });
  if (empty) directories_.erase(found);
}

void IgnoreRules::Narrow(std::vector<RelPath> includes, std::vector<RelPath> excludes) {
  const auto share = [](std::vector<RelPath>& subtrees) {
    return subtrees.empty() ? nullptr
                            : std::make_shared<const std::vector<RelPath>>(std::move(subtrees));
  };
  includes_ = share(includes);
  excludes_ = share(excludes);
}

Verdict IgnoreRules::Judge(const RelPath& path, bool is_directory) const {
  const std::string_view bytes = path.bytes();
  for (size_t slash = bytes.find('/'); slash != std::string_view::npos;
       slash = bytes.find('/', slash + 1)) {
    const Verdict parent = JudgeAlone(bytes.substr(0, slash), true);
    if (parent.ignored) return parent;
  }
  return JudgeAlone(bytes, is_directory);
}

Verdict IgnoreRules::JudgeBelowVisible(const RelPath& path, bool is_directory) const {
  return JudgeAlone(path.bytes(), is_directory);
}

Verdict IgnoreRules::JudgeAlone(std::string_view path, bool is_directory) const {
  Verdict verdict;
  if (path.empty() || JudgeBySubtrees(path, is_directory, verdict)) return verdict;
  if (directories_.empty()) return verdict;
  std::string_view directory = path;
  do {
    directory = ParentOf(directory);
    const auto found = directories_.find(ToAbsl(directory));
    if (found == directories_.end()) continue;
    if (JudgeBySources(found->second, path, is_directory, verdict)) return verdict;
  } while (!directory.empty());
  return verdict;
}

bool IgnoreRules::JudgeBySubtrees(std::string_view path, bool is_directory,
                                  Verdict& verdict) const {
  if (excludes_ != nullptr) {
    for (size_t i = 0; i < excludes_->size(); ++i) {
      const std::string_view subtree = (*excludes_)[i].bytes();
      if (!IsAtOrBelow(path, subtree)) continue;
      verdict = {.ignored = true, .source = "--exclude", .line = i + 1, .text = subtree};
      return true;
    }
  }
  if (includes_ == nullptr) return false;
  const bool visible =
      std::any_of(includes_->begin(), includes_->end(), [&](const RelPath& include) {
        return IsAtOrBelow(path, include.bytes()) ||
               (is_directory && IsAtOrBelow(include.bytes(), path));
      });
  if (visible) return false;
  verdict = {.ignored = true, .source = "--include"};
  return true;
}

bool IgnoreRules::JudgeBySources(const Sources& sources, std::string_view path, bool is_directory,
                                 Verdict& verdict) {
  for (auto source = sources.rbegin(); source != sources.rend(); ++source) {
    const IgnoreFile* const file = source->get();
    const IgnoreFile::Rule* const rule =
        file == nullptr ? nullptr : file->LastMatch(path, is_directory);
    if (rule == nullptr) continue;
    const bool ignored = !rule->pattern.negated();
    verdict = {ignored, ignored && rule->pattern.deletable(), file->name(), rule->line,
               rule->pattern.text()};
    return true;
  }
  return false;
}

}  // namespace filesync
