// Act: what one act of somebody's has cost so far, and whether more of it must wait for a person.
//
// Losses that follow one another within five minutes are one act (of an hour at most), so that
// what goes bit by bit is judged as a whole. Deletions count as far as the tree becomes smaller:
// what moved or was made again does not count. New files that look scrambled do not make up for
// deletions, so that a tree that is encrypted file by file counts as deleted. Paths are named by
// hashes, so that a big act takes little memory. Pure; thread-compatible.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "libs/content/content.h"
#include "libs/content/looks.h"
#include "libs/paths/rel_path.h"
#include "libs/reconcile/brake.h"

namespace filesync {

class Act {
 public:
  explicit Act(BrakeLimit limit) : limit_(limit) {}

  // Entries that wait to be judged.
  struct Losses {
    uint64_t deleted = 0;
    uint64_t replaced = 0;
  };

  // True when the losses that wait, with those that the act has cost already, are more than is
  // allowed of a tree that now has `entries` (those that wait included).
  bool Holds(const Losses& waiting, uint64_t entries, absl::Time now);
  // The same at a glance: true when the act has cost so little, `more` included, that nothing need
  // be waited for. Counts nothing.
  bool Few(uint64_t more, absl::Time now);
  // The tree had `entries` before what is let go at a glance.
  void Saw(uint64_t entries, absl::Time now);

  // What was judged and goes.
  void Deleted(uint64_t count, absl::Time now);
  void Replaced(const RelPath& path, absl::Time now);
  // What was judged and waits for a person: more of the same act joins it.
  void Kept(const Losses& losses, absl::Time now);
  // A new file that looks scrambled, and its end.
  void MadeScrambled(const RelPath& path, absl::Time now);
  void Gone(const RelPath& path);
  // A person decided: what comes is another act.
  void End();

  // From now on; what the act has cost counts on.
  void SetLimit(BrakeLimit limit) { limit_ = limit; }
  bool off() const { return limit_.off(); }

 private:
  void Age(absl::Time now);
  void Touch(absl::Time now);

  BrakeLimit limit_;
  uint64_t deleted_ = 0;
  Losses kept_;
  absl::flat_hash_set<uint64_t> replaced_;
  absl::flat_hash_set<uint64_t> scrambled_;
  uint64_t peak_ = 0;  // the most entries that the tree had during the act
  absl::Time began_ = absl::InfiniteFuture();
  absl::Time last_ = absl::InfinitePast();
};

// True when `now`, which looks as `looks` says, has nothing to do with `before`: it is a loss to
// whoever worked with it.
//
// Edits, formatters, checkouts and re-encoding make contents that still look like something, so
// they never are. What counts: a file that became empty or blank; one that looks scrambled and
// shares no chunk with what it was; and one of several chunks, all of which are others now, that
// looks neither like text nor like a format that is known. A small file is one chunk, so that any
// edit changes all of it: there only its looks can tell.
bool Unrelated(const Content& before, const Content& now, Looks looks);

}  // namespace filesync
