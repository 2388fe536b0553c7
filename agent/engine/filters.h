// Filters: which paths of a location sync does not see, kept in step with the rule files in it.
//
// A directory's rule files are read when something in it is first judged; whoever notices that
// one may have changed calls Reload. What can't be read hides its directory, because what it
// would have hidden must not be sent: only what is known to be visible is synced. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/location/location.h"
#include "libs/paths/ignore_rules.h"
#include "libs/telemetry/log.h"

namespace filesync {

struct FilterOptions {
  // What holds everywhere: patterns and subtrees given by hand.
  IgnoreRules rules;
  bool use_gitignore = false;
};

class Filters {
 public:
  // All but `options` must outlive it.
  Filters(Location* location, Clock* clock, Logger* log, FilterOptions options)
      : location_(location),
        clock_(clock),
        log_(log),
        rules_(std::move(options.rules)),
        use_gitignore_(options.use_gitignore) {}

  // Other options from now on; all directories count as changed. Rule files are read again.
  void Replace(FilterOptions options);
  // The folder's own rules, which the server tells; beside the options. All directories count as
  // changed. InvalidArgument: they stay as they were.
  absl::Status SetFolderRules(const std::string& text);

  struct Judgement {
    bool ignored = false;
    bool deletable = false;  // does not hold a directory that is to be deleted
  };
  Judgement Judge(const RelPath& path, bool is_directory);
  // The same with the rule that decided, for people.
  struct Explanation {
    Judgement judgement;
    std::string source;  // empty: no rule
    size_t line = 0;
    std::string rule;  // escaped
  };
  Explanation Explain(const RelPath& path, bool is_directory);
  bool Ignores(const RelPath& path, bool is_directory) { return Judge(path, is_directory).ignored; }
  // The same for who walks from the top: `path`'s directory is visible, and was reloaded.
  bool IgnoresBelowVisible(const RelPath& path, bool is_directory);

  bool IsRuleFile(const RelPath& path) const;
  // Reads the rule files of `directory` again.
  void Reload(const RelPath& directory);
  // Forgets what was read at and below `tree`, which moved.
  void Forget(const RelPath& tree);

  // Directories whose rules are not what they were; each is told once.
  std::vector<RelPath> TakeChanged();

 private:
  struct RuleFile {
    IgnoreSource source;
    std::string_view name;
  };
  std::vector<RuleFile> RuleFiles() const;
  void LoadAbove(const RelPath& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Load(const RelPath& directory, bool again) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsBeingWritten(LocalFile& file) const;
  std::optional<std::string> Text(const RelPath& directory, const RuleFile& file);
  void Use(const RelPath& directory, const RuleFile& file, const std::string& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // By source, the text in use; empty where there is none.
  using Texts = std::array<std::string, kIgnoreSources>;

  Location* const location_;
  Clock* const clock_;
  Logger* const log_;
  std::atomic<bool> changed_ = false;
  absl::Mutex mutex_;
  IgnoreRules rules_ ABSL_GUARDED_BY(mutex_);
  std::optional<IgnoreFile> folder_rules_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<RelPath, Texts> loaded_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> use_gitignore_;  // changed with mutex_ held
  std::vector<RelPath> changed_directories_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
