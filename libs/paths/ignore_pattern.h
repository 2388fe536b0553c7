// IgnorePattern: one line of ignore rules, compiled: .gitignore's rules to the byte, and a prefix
// of our own. Immutable, hence thread-safe.
//
//   build/      directories of this name, in the file's directory and anywhere below it
//   /build      only in the file's directory; so does a '/' in the middle: doc/*.txt
//   !keep.log   not ignored after all
//   \#, \!      a name that starts with '#' or '!'; "\ " keeps a blank at the end
//   (?d)*.tmp   ignored, and no reason to keep a directory that is to be deleted
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/paths/glob.h"

namespace filesync {

inline constexpr size_t kMaxIgnorePatternBytes = 4096;

// .gitignore files are git's alone: there "(?d)" is a part of the pattern.
enum class IgnoreSyntax { kGit, kSync };

class IgnorePattern {
 public:
  // What a pattern is matched with.
  struct Candidate {
    std::string_view path;  // relative to the file's directory, below which it is; not empty
    std::string_view name;  // its last component
    bool is_directory = false;
  };

  // `line` without its end. Nullopt for a comment and a blank line; InvalidArgument when it is
  // too long.
  static absl::StatusOr<std::optional<IgnorePattern>> Parse(std::string_view line,
                                                            IgnoreSyntax syntax);

  // Says nothing about a path whose parent matches: that is for the rules to know.
  bool Matches(const Candidate& candidate) const;

  // A path that this is the last to match is not ignored.
  bool negated() const { return negated_; }
  bool deletable() const { return deletable_; }
  // As it was written, without the blanks at the end that don't count. Any bytes.
  const std::string& text() const { return text_; }

 private:
  explicit IgnorePattern(std::string_view text, IgnoreSyntax syntax);

  std::string text_;
  bool deletable_ = false;
  bool negated_ = false;
  bool directories_only_ = false;
  bool anchored_ = false;  // matched with the path, not with the name
  Glob glob_;
};

}  // namespace filesync
