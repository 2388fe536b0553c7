// Focus: the part of a location that an engine looks at, when that is not all of it. What lies
// outside is neither looked at nor decided; what arrives for it is kept for the next engine.
// Engine's thread.
#pragma once

#include <algorithm>
#include <optional>
#include <set>

#include "libs/paths/rel_path.h"

namespace filesync {

class Focus {
 public:
  // Nothing but `path` from now on, and what is below it when `with_subtree` is set.
  void Narrow(const RelPath& path, bool with_subtree) {
    paths_.insert(path);
    if (with_subtree) subtree_ = path;
  }
  // And this: a conflict copy belongs to what a person decided about.
  void Add(const RelPath& path) {
    if (!everything()) paths_.insert(path);
  }

  bool everything() const { return paths_.empty(); }
  // The directory that is looked at with all that is in it, or the file in its place.
  const std::optional<RelPath>& subtree() const { return subtree_; }

  // `path` may be looked at: it was asked for, is part of it, or leads there.
  bool Shows(const RelPath& path) const {
    return everything() || IsInside(path) ||
           std::any_of(paths_.begin(), paths_.end(),
                       [&](const RelPath& wanted) { return wanted.IsAtOrBelow(path); });
  }
  // `path` is a directory that only leads there: it is made where it is missing, no more. What else
  // is in it is not looked at, so that it is not for this engine to say that it is gone.
  bool OnlyLeads(const RelPath& path) const { return Shows(path) && !IsInside(path); }

 private:
  bool IsInside(const RelPath& path) const {
    return everything() || paths_.contains(path) ||
           (subtree_.has_value() && path.IsAtOrBelow(*subtree_));
  }

  std::set<RelPath> paths_;
  std::optional<RelPath> subtree_;
};

}  // namespace filesync
