// IgnoreFile: the patterns of one source, and the directory that they count from. A file's text,
// or what was given in another way as if it were one. Immutable, hence thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/paths/ignore_pattern.h"
#include "libs/paths/rel_path.h"

namespace filesync {

inline constexpr size_t kMaxIgnorePatterns = 10'000;
inline constexpr size_t kMaxIgnoreFileBytes = 1 << 20;
inline constexpr std::string_view kSyncignoreName = ".syncignore";
inline constexpr std::string_view kGitignoreName = ".gitignore";

// Of one directory's sources, a later one beats an earlier one.
enum class IgnoreSource : uint8_t {
  kFolder,       // the folder's own, from the server; counts from the root
  kCommandLine,  // --ignore, one pattern a line; counts from the root
  kGitignore,    // a .gitignore file: git's syntax and nothing else
  kSyncignore,   // a .syncignore file
};
inline constexpr size_t kIgnoreSources = 4;

class IgnoreFile {
 public:
  struct Rule {
    size_t line = 0;  // from 1
    IgnorePattern pattern;
  };

  // `name` says to people where the patterns stand: "sub/.syncignore", "--ignore". Lines end in
  // LF or CR LF, the last one may have no end; a byte order mark at the start is skipped.
  // InvalidArgument with `name`, the line and the limit when a limit is passed.
  static absl::StatusOr<IgnoreFile> Parse(IgnoreSource source, const RelPath& directory,
                                          std::string_view name, std::string_view text);

  IgnoreSource source() const { return source_; }
  const RelPath& directory() const { return directory_; }
  const std::string& name() const { return name_; }
  bool empty() const { return rules_.empty(); }

  // The last rule that matches `path`, a path below the directory given from the root; null when
  // none does. The rule is this file's.
  const Rule* LastMatch(std::string_view path, bool is_directory) const;

 private:
  IgnoreFile(IgnoreSource source, const RelPath& directory, std::string_view name)
      : source_(source), directory_(directory), name_(name) {}
  absl::Status AddLine(size_t number, std::string_view line);

  IgnoreSource source_;
  RelPath directory_;
  std::string name_;
  std::vector<Rule> rules_;
};

}  // namespace filesync
