// DeletionGate: what is missing or was replaced here goes through it before the folder follows.
//
// Deletions wait until no more of them come, so that halves of moves meet, an emptied root is seen
// for what it is, and all of one person's act are judged together. A set that the brake holds is
// kept, over restarts too, until a person confirms or discards it; the rest goes on. Where one
// side was told to win over the other, whatever it would cost waits, unless a person agreed
// before. Engine's thread.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "agent/engine/engine_context.h"
#include "libs/reconcile/act.h"

namespace filesync {

class DeletionGate {
 public:
  using Loss = HeldRow::Loss;

  // Both outlive it. `quiet` tells whether nothing is under way that may turn a missing path into
  // the old half of a move.
  DeletionGate(EngineContext* context, BrakeLimit limit, std::function<bool()> quiet)
      : context_(context), act_(limit), quiet_(std::move(quiet)) {}

  enum class Answer : uint8_t { kGo, kLater, kHeld };
  // From now on; what is held stays held.
  void SetLimit(BrakeLimit limit) { act_.SetLimit(limit); }
  // `path` is missing, and the folder has it. `winner`: see HeldRow.
  Answer AskDeletion(const RelPath& path, Winner winner);
  // The same where a missing path proves nothing, as the host stopped: waits for the other half of
  // a move, and never holds.
  Answer AskLost(const RelPath& path);
  // What stands at `path` has nothing to do with what the folder has there. `at_hand`: how many
  // such there are now. After kLater the gate itself has the path looked at again.
  Answer AskReplacement(const RelPath& path, Winner winner, size_t at_hand);
  // When to ask again after kLater.
  static absl::Duration AskAgainAfter();
  // `path` is as the folder has it, or is ignored.
  void Forget(const RelPath& path);
  // `path` is there again, has moved, or is not what was asked for.
  void Forget(const RelPath& path, Loss loss);
  // A new file that looks scrambled was committed.
  void MadeScrambled(const RelPath& path) { act_.MadeScrambled(path, context_->clock->Now()); }

  // Judges replacements, when their time has come.
  void Step();
  size_t waiting() const { return seen_.size(); }
  // Those of them that are gone: each asks again.
  size_t missing() const { return seen_.size() - replacements_seen_; }
  bool HasReplacements() const { return replacements_seen_ > 0; }
  // How many entries a person is to decide about; a directory counts with all that is in it.
  const HeldCounts& held();
  // A scan ended: what is held and there again is looked at again.
  void Recheck();
  // A person decided: what comes is another act.
  void End() { act_.End(); }

 private:
  struct Seen {
    Loss loss = Loss::kDeleted;
    Winner winner = Winner::kNone;
    bool lost = false;  // asked for by AskLost
  };
  Answer Ask(const RelPath& path, const Seen& asked);
  bool Settled(absl::Time now) const;
  bool Judge(absl::Time now);
  void LetGo(absl::Time now, uint64_t deletions);
  absl::Status Hold();
  absl::StatusOr<uint64_t> CountDeleted(const std::vector<RelPath>& paths) const;

  EngineContext* const context_;
  Act act_;
  const std::function<bool()> quiet_;
  std::map<RelPath, Seen> seen_;
  size_t replacements_seen_ = 0;
  std::map<RelPath, Loss> allowed_;
  std::set<RelPath> lost_;  // that may be restored
  // Counted when asked for, and again when `counted_at_` is not the paths' generation any more.
  HeldCounts held_;
  uint64_t counted_at_ = 0;
  absl::Time last_seen_ = absl::InfinitePast();
  absl::Time first_seen_ = absl::InfiniteFuture();
  absl::Time judged_ = absl::InfinitePast();
};

}  // namespace filesync
