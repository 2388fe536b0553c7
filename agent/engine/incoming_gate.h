// IncomingGate: what came from the folder and would delete here, or replace with what has nothing
// to do with it, goes through it before it is applied.
//
// A few such changes go at once. More wait until no more of them come, and are judged together; a
// set that the brake holds stays here, as remote entries that are known and not applied, over
// restarts too, until a person confirms it or undoes it, which commits what is here over it. The
// rest goes on. Each agent judges for itself: what was confirmed elsewhere is no news of it, as
// whoever deleted it could say so too. Engine's thread.
#pragma once

#include <map>
#include <vector>

#include "agent/engine/engine_context.h"
#include "agent/engine/situation.h"
#include "libs/reconcile/act.h"

namespace filesync {

class IncomingGate {
 public:
  using Loss = HeldRow::Loss;

  // Both outlive it. `receiving` tells whether more is known to come or is being applied.
  IncomingGate(EngineContext* context, BrakeLimit limit, std::function<bool()> receiving)
      : context_(context), act_(limit), receiving_(std::move(receiving)) {}

  // From now on; what is held stays held.
  void SetLimit(BrakeLimit limit) { act_.SetLimit(limit); }
  // True when `more` losses may go unasked; each is then counted with Went.
  bool Few(size_t more);
  void Went(const RelPath& path, Loss loss);
  // True when `path` may be applied now. Else it waits here, and its remote entry of this version
  // (0: none, the other side is to be as if empty) stays known and is not applied.
  bool MayApply(const RelPath& path, uint64_t version, Loss loss, Winner winner);
  // The loss that the action would be, as far as it shows before content is fetched.
  static std::optional<Loss> LossOf(const Situation& situation, const Action& action,
                                    Winner winner);
  // True when that entry is held already; it need not be fetched to know.
  bool Holds(const RelPath& path, uint64_t version) const;
  // `path` was applied, or is not lost any more.
  void Forget(const RelPath& path);
  void MadeScrambled(const RelPath& path) { act_.MadeScrambled(path, context_->clock->Now()); }

  // Judges what waits, when its time has come.
  void Step();
  // What may go now: the deepest first, at most `limit`. What can't be applied is put back.
  std::vector<RelPath> TakeAllowed(size_t limit);
  void PutBack(const RelPath& path, uint64_t version) { allowed_[path] = version; }
  bool HasBelow(const RelPath& directory) const;
  // Something waits to be judged or to go.
  bool Busy() const { return !seen_.empty() || !allowed_.empty(); }

  // How many entries a person is to decide about.
  const HeldCounts& held();
  // A person decided: what comes is another act.
  void End() { act_.End(); }

 private:
  struct Seen {
    Loss loss = Loss::kDeleted;
    Winner winner = Winner::kNone;
    uint64_t version = 0;
  };
  bool Settled(absl::Time now) const;
  void Judge(absl::Time now);
  absl::Status Hold();

  EngineContext* const context_;
  Act act_;
  const std::function<bool()> receiving_;
  std::map<RelPath, Seen> seen_;
  std::map<RelPath, uint64_t> allowed_;  // and the remote entry's version
  // Judged, and on their way.
  absl::flat_hash_map<RelPath, uint64_t> passed_;  // of which version
  HeldCounts held_;
  uint64_t counted_at_ = 0;
  absl::Time last_seen_ = absl::InfinitePast();
  absl::Time first_seen_ = absl::InfiniteFuture();
  absl::Time judged_ = absl::InfinitePast();
  absl::Time entries_counted_ = absl::InfinitePast();
};

}  // namespace filesync
