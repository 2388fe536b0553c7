#include "agent/engine/filters.h"

#include <cerrno>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

// The rules of a directory whose rules can't be known.
constexpr char kHideEverything[] = "*";
// Who writes it may be told from who only has it open by how long ago it changed.
constexpr absl::Duration kWriterQuiet = absl::Seconds(2);
// Directories without rules are remembered too, but not more of them than this.
constexpr size_t kMostDirectoriesRemembered = 100'000;

bool IsAbsent(const absl::Status& status) {
  // A symlink or a directory of this name holds no rules, as with git.
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status) ||
         ErrnoOf(status) == ENOTDIR || ErrnoOf(status) == ELOOP;
}

}  // namespace

std::vector<Filters::RuleFile> Filters::RuleFiles() const {
  std::vector<RuleFile> files;
  if (use_gitignore_) files.push_back({IgnoreSource::kGitignore, kGitignoreName});
  files.push_back({IgnoreSource::kSyncignore, kSyncignoreName});
  return files;
}

bool Filters::IsRuleFile(const RelPath& path) const {
  return path.Name() == kSyncignoreName || (use_gitignore_ && path.Name() == kGitignoreName);
}

Filters::Judgement Filters::Judge(const RelPath& path, bool is_directory) {
  absl::MutexLock lock(&mutex_);
  LoadAbove(path.Parent());
  const Verdict verdict = rules_.Judge(path, is_directory);
  return {verdict.ignored, verdict.deletable};
}

bool Filters::IgnoresBelowVisible(const RelPath& path, bool is_directory) {
  absl::MutexLock lock(&mutex_);
  return rules_.JudgeBelowVisible(path, is_directory).ignored;
}

Filters::Explanation Filters::Explain(const RelPath& path, bool is_directory) {
  const Look look = location_->LookAt(path);
  if (look.presence == Look::Presence::kPresent) {
    is_directory = look.entry.type == LocalType::kDirectory;
  }
  absl::MutexLock lock(&mutex_);
  LoadAbove(path.Parent());
  const Verdict verdict = rules_.Judge(path, is_directory);
  return {{verdict.ignored, verdict.deletable},
          std::string(verdict.source),
          verdict.line,
          EscapeForPeople(verdict.text)};
}

void Filters::Reload(const RelPath& directory) {
  absl::MutexLock lock(&mutex_);
  Load(directory, /*again=*/true);
}

void Filters::Replace(FilterOptions options) {
  absl::MutexLock lock(&mutex_);
  use_gitignore_ = options.use_gitignore;
  rules_ = std::move(options.rules);
  if (folder_rules_.has_value()) rules_.Set(*folder_rules_);
  loaded_.clear();
  changed_directories_.push_back(RelPath());
  changed_ = true;
}

absl::Status Filters::SetFolderRules(const std::string& text) {
  FS_ASSIGN_OR_RETURN(IgnoreFile rules, IgnoreFile::Parse(IgnoreSource::kFolder, RelPath(),
                                                          "the folder's rules", text));
  absl::MutexLock lock(&mutex_);
  folder_rules_ = rules;
  rules_.Set(std::move(rules));
  changed_directories_.push_back(RelPath());
  changed_ = true;
  return absl::OkStatus();
}

void Filters::Forget(const RelPath& tree) {
  absl::MutexLock lock(&mutex_);
  std::vector<RelPath> gone;
  for (const auto& [directory, texts] : loaded_) {
    if (directory.IsAtOrBelow(tree)) gone.push_back(directory);
  }
  for (const RelPath& directory : gone) {
    loaded_.erase(directory);
    for (const RuleFile& file : RuleFiles()) rules_.Remove(file.source, directory);
  }
}

std::vector<RelPath> Filters::TakeChanged() {
  if (!changed_) return {};
  absl::MutexLock lock(&mutex_);
  changed_ = false;
  return std::exchange(changed_directories_, {});
}

void Filters::LoadAbove(const RelPath& path) {
  if (loaded_.contains(path)) return;
  if (!path.IsRoot()) LoadAbove(path.Parent());
  Load(path, /*again=*/false);
}

// Half a rule file would show what the rest of it hides.
bool Filters::IsBeingWritten(LocalFile& file) const {
  const absl::StatusOr<Fingerprint> now = file.Stat();
  if (!now.ok()) return false;
  const absl::Duration age = clock_->Now() - absl::FromUnixNanos(now->mtime_ns);
  return age < kWriterQuiet && age > -kWriterQuiet && file.HasWriters();
}

// The text of a rule file; empty when there is none, nullopt while it is being written.
std::optional<std::string> Filters::Text(const RelPath& directory, const RuleFile& file) {
  const absl::StatusOr<RelPath> path = directory.Child(file.name);
  if (!path.ok()) return std::string();
  auto cannot = [&](const absl::Status& why) {
    log_->Warn("{}: {}; nothing beside it is synced until it can be read", path->ForPeople(),
               ToStd(why.message()));
    return std::string(kHideEverything);
  };
  const absl::StatusOr<std::unique_ptr<LocalFile>> opened = location_->Open(*path);
  if (!opened.ok()) return IsAbsent(opened.status()) ? std::string() : cannot(opened.status());
  if (IsBeingWritten(**opened)) return std::nullopt;
  std::string text(kMaxIgnoreFileBytes + 1, '\0');
  const absl::StatusOr<size_t> size = (*opened)->ReadAt(0, text.data(), text.size());
  if (!size.ok()) return cannot(size.status());
  text.resize(*size);
  const absl::Status legal =
      IgnoreFile::Parse(file.source, directory, path->ForPeople(), text).status();
  return legal.ok() ? text : cannot(legal);
}

void Filters::Use(const RelPath& directory, const RuleFile& file, const std::string& text) {
  if (text.empty()) {
    rules_.Remove(file.source, directory);
    return;
  }
  const std::string name = directory.IsRoot()
                               ? std::string(file.name)
                               : directory.ForPeople() + "/" + std::string(file.name);
  absl::StatusOr<IgnoreFile> parsed = IgnoreFile::Parse(file.source, directory, name, text);
  if (parsed.ok()) rules_.Set(*std::move(parsed));
}

void Filters::Load(const RelPath& directory, bool again) {
  if (loaded_.size() >= kMostDirectoriesRemembered) {
    absl::erase_if(loaded_, [](const auto& item) { return item.second == Texts(); });
  }
  const auto [it, first] = loaded_.try_emplace(directory);
  if (!first && !again) return;
  bool changed = false;
  for (const RuleFile& file : RuleFiles()) {
    std::string& in_use = it->second[static_cast<size_t>(file.source)];
    std::optional<std::string> text = Text(directory, file);
    // While it is being written the old rules hold; when it is closed, that is noticed.
    if (!text.has_value() && !first) continue;
    if (!text.has_value()) text = kHideEverything;
    if (*text == in_use) continue;
    in_use = *std::move(text);
    Use(directory, file, in_use);
    changed = true;
  }
  // What is read for the first time is judged by it from the start.
  if (!changed || first) return;
  changed_directories_.push_back(directory);
  changed_ = true;
}

}  // namespace filesync
