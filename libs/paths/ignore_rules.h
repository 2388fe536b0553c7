// IgnoreRules: which paths of a folder sync doesn't see: all sources of patterns, and the subtrees
// that --include and --exclude narrow the folder to.
//
// A path is ignored when one of its parents is: nothing below can be re-included. Otherwise the
// last pattern that matches decides, where a directory's sources come after those of the
// directories above it, in the order of IgnoreSource. What isn't narrowed to is ignored whatever
// the patterns say. The root is never ignored.
//
// Pure: callers read the files. Thread-compatible; to share one set among threads, change a copy
// and publish that (a copy shares the files). Example:
//
//   IgnoreRules rules;
//   FS_ASSIGN_OR_RETURN(IgnoreFile file, IgnoreFile::Parse(IgnoreSource::kSyncignore, directory,
//                                                          "sub/.syncignore", text));
//   rules.Set(std::move(file));
//   if (rules.Judge(path, is_directory).ignored) ...
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/paths/ignore_file.h"
#include "libs/paths/rel_path.h"

namespace filesync {

// What was judged, and which rule decided it: a pattern (also one with '!', which leaves the path
// visible), or a subtree. All of `source`, `line` and `text` are empty where no rule did. The views
// hold as long as the rules, or a copy of them, keep that source.
struct Verdict {
  bool ignored = false;
  // Ignored, and does not hold a directory that is to be deleted: "(?d)".
  bool deletable = false;
  std::string_view source;  // "sub/.syncignore", "--ignore", "--include", "--exclude"
  size_t line = 0;          // from 1; for --exclude, which one; 0 for --include
  std::string_view text;    // the pattern or the subtree, any bytes; "" for --include

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

class IgnoreRules {
 public:
  // Replaces the file of the same source and directory.
  void Set(IgnoreFile file);
  void Remove(IgnoreSource source, const RelPath& directory);

  // With `includes`, only these subtrees are visible, and the directories that lead to them; what
  // is in `excludes` is not, included or not. Replaces the former ones.
  void Narrow(std::vector<RelPath> includes, std::vector<RelPath> excludes);

  Verdict Judge(const RelPath& path, bool is_directory) const;

  // The same for a path whose parent is known not to be ignored. For who walks directories from
  // the top and doesn't enter those that are ignored: that asks once per path, where Judge asks
  // again for every directory above it. Below an ignored directory the answer is wrong.
  Verdict JudgeBelowVisible(const RelPath& path, bool is_directory) const;

 private:
  using Sources = std::array<std::shared_ptr<const IgnoreFile>, kIgnoreSources>;

  Verdict JudgeAlone(std::string_view path, bool is_directory) const;
  // Both leave the verdict as it is where they have nothing to say, and return false.
  bool JudgeBySubtrees(std::string_view path, bool is_directory, Verdict& verdict) const;
  static bool JudgeBySources(const Sources& sources, std::string_view path, bool is_directory,
                             Verdict& verdict);

  // By directory ("" is the root); only directories with a pattern.
  absl::flat_hash_map<std::string, Sources> directories_;
  // Shared with copies, so that the views in verdicts hold.
  std::shared_ptr<const std::vector<RelPath>> includes_;
  std::shared_ptr<const std::vector<RelPath>> excludes_;
};

}  // namespace filesync
