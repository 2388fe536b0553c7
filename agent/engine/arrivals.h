// Arrivals: what came from the folder since all that was looked at here had been dealt with.
// Whether a root was emptied is judged by what stood there before: what arrives while files vanish
// does not make up for them. Engine's thread.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/paths/rel_path.h"

namespace filesync {

class Arrivals {
 public:
  // `path` was made here, where nothing had been.
  void Add(const RelPath& path, absl::Time now);
  // All that was seen here has been dealt with: what arrived some time ago stands there as anything
  // else does.
  void Settle(absl::Time now);

  bool Contains(const RelPath& path) const { return paths_.contains(path); }
  size_t size() const { return paths_.size(); }

  // For the state: a root stays emptied when the agent is started anew.
  std::string Encode() const;
  void Decode(std::string_view bytes);

 private:
  std::set<RelPath> paths_;
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace filesync
