// RecentChanges: a folder's last commits, so that fanning a change out just after it was made
// neither reads nor decodes it again. What is not here is read from the store. Thread-compatible.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "libs/model/entry.h"

namespace filesync {

// The entries of one commit, in the order of their versions, which have no gaps.
using RecentCommit = std::vector<Entry>;

class RecentChanges {
 public:
  // Takes a commit that was published; versions grow from one to the next.
  void Add(RecentCommit commit);

  // The commits as they are now; they stay as long as this does.
  class View {
   public:
    // The entry that was given `version`; null when it is not remembered. It may have been
    // superseded since. To be asked with growing versions.
    const Entry* Find(uint64_t version);
    // Of the commit that Find found last: the last version.
    uint64_t commit_last_version() const { return commits_[at_]->back().version; }

   private:
    friend class RecentChanges;
    std::vector<std::shared_ptr<const RecentCommit>> commits_;
    size_t at_ = 0;
  };
  // Those that end after `version`.
  View After(uint64_t version) const;

 private:
  struct Remembered {
    std::shared_ptr<const RecentCommit> commit;
    size_t weight;  // bytes in memory, about
  };
  std::deque<Remembered> commits_;
  size_t weight_ = 0;
};

}  // namespace filesync
