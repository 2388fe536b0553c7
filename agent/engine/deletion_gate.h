// DeletionGate: what is missing here goes through it before it is deleted in the folder.
//
// Deletions wait until no more of them come, so that halves of moves meet, an emptied root is seen
// for what it is, and all of one person's act are judged together. A set that the brake holds is
// kept until a person confirms or discards it; the rest goes on. Engine's thread.
#pragma once

#include <set>
#include <vector>

#include "agent/engine/engine_context.h"
#include "libs/reconcile/brake.h"

namespace filesync {

class DeletionGate {
 public:
  // Both outlive it. `quiet` tells whether nothing is under way that may turn a missing path into
  // the old half of a move.
  DeletionGate(EngineContext* context, BrakeLimit limit, std::function<bool()> quiet)
      : context_(context), limit_(limit), quiet_(std::move(quiet)) {}

  enum class Answer : uint8_t { kGo, kLater, kHeld };
  // From now on; what is held stays held.
  void SetLimit(BrakeLimit limit) { limit_ = limit; }
  // `path` is missing, and the folder has it.
  Answer Ask(const RelPath& path);
  // When to ask again after kLater.
  static absl::Duration AskAgainAfter();
  // `path` is there again, has moved or is ignored.
  void Forget(const RelPath& path);

  size_t waiting() const { return seen_.size(); }
  // How many entries a person is to decide about.
  uint64_t held_entries();
  const std::set<RelPath>& held() const { return held_; }
  bool HeldAtOrAbove(const RelPath& path) const;
  // A scan ended: what is held and there again is looked at again.
  void Recheck();
  // Lets go what is held; its paths are looked at again.
  void Confirm();
  // Hands over what is held, to be restored.
  std::vector<RelPath> TakeHeld();

 private:
  bool Settled(absl::Time now) const;
  bool Judge(absl::Time now);
  absl::StatusOr<uint64_t> Count(const std::set<RelPath>& paths) const;

  EngineContext* const context_;
  BrakeLimit limit_;
  const std::function<bool()> quiet_;
  std::set<RelPath> seen_;
  std::set<RelPath> allowed_;
  std::set<RelPath> held_;
  // Counted when asked for; nullopt: not since `held_` changed.
  std::optional<uint64_t> held_entries_;
  absl::Time last_seen_ = absl::InfinitePast();
  absl::Time first_seen_ = absl::InfiniteFuture();
  // Entries let go lately, and the most that the folder held meanwhile.
  uint64_t let_go_ = 0;
  uint64_t peak_ = 0;
  absl::Time let_go_at_ = absl::InfinitePast();
  absl::Time judged_ = absl::InfinitePast();
};

}  // namespace filesync
