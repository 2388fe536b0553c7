#include "agent/engine/situation.h"

#include <utility>

#include "agent/engine/local_attributes.h"
#include "agent/engine/scanner.h"
#include "libs/base/status.h"
#include "libs/reconcile/act.h"

namespace filesync {
namespace {

// A clock that runs this far ahead is not believed.
constexpr absl::Duration kMostAhead = absl::Minutes(5);

int64_t Plausible(int64_t mtime_ns, int64_t received_ns) {
  return mtime_ns > received_ns + absl::ToInt64Nanoseconds(kMostAhead) ? received_ns : mtime_ns;
}

Side LocalSide(const Situation& situation, absl::Time now) {
  Side side;
  switch (situation.look.presence) {
    case Look::Presence::kUnknown:
      side.state = Side::State::kUnknown;
      return side;
    case Look::Presence::kAbsent:
      side.state = situation.base.has_value() ? Side::State::kDeleted : Side::State::kAbsent;
      return side;
    case Look::Presence::kPresent:
      break;
  }
  if (situation.look.entry.type == LocalType::kOther) {
    // Never synced; what the folder holds under this name is left alone.
    side.state = situation.base.has_value() || situation.remote.has_value() ? Side::State::kUnknown
                                                                            : Side::State::kAbsent;
    return side;
  }
  if (situation.LocalUnchanged()) {
    side.state = Side::State::kUnchanged;
    return side;
  }
  side.entry = situation.LocalEntryNow();
  const bool same = situation.base.has_value() && EqualState(side.entry, situation.base->entry);
  side.state = same ? Side::State::kUnchanged : Side::State::kChanged;
  side.changed_at_ns = Plausible(side.entry.mtime_ns, absl::ToUnixNanos(now));
  return side;
}

Side RemoteSide(const Situation& situation) {
  Side side;
  if (!situation.remote.has_value()) {
    side.state = situation.base.has_value() ? Side::State::kUnchanged : Side::State::kAbsent;
    return side;
  }
  side.entry = *situation.remote;
  if (situation.remote->IsLive()) {
    side.state = Side::State::kChanged;
    side.changed_at_ns =
        Plausible(side.entry.mtime_ns, static_cast<int64_t>(side.entry.committed_at_ns));
  } else {
    side.state = situation.base.has_value() ? Side::State::kDeleted : Side::State::kAbsent;
  }
  return side;
}

}  // namespace

bool Situation::LocalUnchanged() const {
  return present() && base.has_value() && !(verify && is_file()) && Unchanged(look.entry, *base);
}

bool Situation::NeedsContent() const {
  const bool known = base.has_value() && !verify && SameStat(look.entry, *base);
  return is_file() && !known && !file.has_value() && !moved_from.has_value() &&
         !follows.has_value();
}

uint64_t Situation::BaseVersion() const {
  if (remote.has_value()) return remote->version;
  return base.has_value() ? base->entry.version : 0;
}

const BaseRow* Situation::Before() const {
  if (base.has_value()) return &*base;
  return previous.has_value() ? &*previous : nullptr;
}

Entry Situation::LocalEntryNow() const {
  Entry entry = ToEntry(look.entry);
  if (entry.type == EntryType::kFile) {
    if (file.has_value()) {
      entry.content = file->content;
      entry.mode = file->metadata.mode.value_or(entry.mode);
      entry.mtime_ns = file->fingerprint.mtime_ns;
    } else if (moved_from.has_value()) {
      entry.content = moved_from->entry.content;
    } else if (base.has_value()) {
      entry.content = base->entry.content;
    }
  }
  if (entry.IsLive()) CarryMetadata(Before(), FingerprintNow(), MetadataNow(), entry);
  return entry;
}

bool Situation::IsDirectoryAnywhere() const {
  if (present()) return is_directory();
  if (base.has_value()) return base->entry.type == EntryType::kDirectory;
  return remote.has_value() && remote->type == EntryType::kDirectory;
}

bool Situation::DeletesThere(Mode mode) const {
  if (!absent()) return false;
  if (!remote.has_value()) return base.has_value();
  return mode == Mode::kSourceToDestination && remote->IsLive();
}

bool Situation::NothingToDecide(Mode mode) const {
  if (remote.has_value() || older_there) return false;
  if (LocalUnchanged() || (absent() && !base.has_value())) return true;
  // A backup's destination may do as it likes, and its source may forget.
  return mode == Mode::kDestinationBackup || (mode == Mode::kSourceBackup && absent());
}

HeldConflict ToHeldConflict(const Situation& situation) {
  HeldConflict held;
  held.path = situation.path;
  if (situation.present()) held.local = ToConflictSide(situation.LocalEntryNow());
  if (situation.remote.has_value()) held.remote = ToConflictSide(*situation.remote);
  if (situation.base.has_value()) held.base_version = situation.base->entry.version;
  return held;
}

namespace {

absl::StatusOr<Situation> WithLook(EngineContext& context, const RelPath& path, Look look) {
  Situation situation;
  situation.path = path;
  situation.look = std::move(look);
  situation.verify = context.verify.contains(path);
  FS_ASSIGN_OR_RETURN(situation.base, context.state->GetBase(path));
  FS_ASSIGN_OR_RETURN(situation.remote, context.state->GetRemote(path));
  if (situation.base.has_value() && situation.base->IsLost() && situation.remote.has_value()) {
    // What is here was agreed on after what the server was put back to: that is what it changes,
    // and no news. What came since is, and of a deletion here nobody knows whether it is meant.
    const bool older = situation.remote->version < context.incarnation_began &&
                       situation.remote->IsLive() && situation.present();
    situation.base.reset();
    if (older) {
      situation.base = BaseRow{*std::exchange(situation.remote, {}), context.incarnation, {}, {}};
      situation.older_there = true;
      if (situation.is_directory()) situation.base->fingerprint = situation.look.entry.fingerprint;
      return situation;
    }
  }
  // What the folder says of it and was never applied here is news from there.
  if (!situation.remote.has_value() && situation.base.has_value() && situation.present() &&
      AttributesToApply(situation.look.entry.attributes, *situation.base)) {
    situation.remote = situation.base->entry;
  }
  return situation;
}

}  // namespace

absl::StatusOr<Situation> Examine(EngineContext& context, const RelPath& path) {
  return WithLook(context, path, context.location->LookAt(path));
}

absl::StatusOr<Situation> ExamineAbsent(EngineContext& context, const RelPath& path) {
  Look absent;
  absent.presence = Look::Presence::kAbsent;
  return WithLook(context, path, std::move(absent));
}

Entry SourceOfMirror(const Situation& situation) {
  if (situation.base.has_value()) return situation.base->entry;
  Entry nothing;
  nothing.path = situation.path;
  nothing.type = EntryType::kTombstone;
  return nothing;
}

Winner WinnerFor(const EngineContext& context, const Situation& situation) {
  const HeldRow* held = context.held.Find(situation.path);
  if (held != nullptr && held->winner != Winner::kNone) return held->winner;
  const bool applies = context.winner_all || !situation.base.has_value();
  return applies ? context.winner : Winner::kNone;
}

Mode ModeFor(const EngineContext& context, const Situation& situation) {
  return ModeOf(WinnerFor(context, situation), context.mode);
}

namespace {

// What stands here has nothing to do with what the folder has there.
bool StillUnrelated(const Situation& situation) {
  const std::optional<PreparedFile>& file = situation.file;
  if (!file.has_value() || file->kind != PreparedFile::Kind::kReady) return false;
  return situation.remote->type != EntryType::kFile ||
         Unrelated(situation.remote->content, file->content, file->looks);
}

// What a person undid goes back to what it was, whatever the mode; nullopt: nothing was.
std::optional<Action> Undo(const EngineContext& context, const Situation& situation) {
  const HeldRow* held = context.held.Find(situation.path);
  if (held == nullptr || held->verdict != HeldRow::Verdict::kUndone) return std::nullopt;
  const bool there = situation.remote.has_value() && situation.remote->IsLive();
  if (held->direction == HeldRow::Direction::kIncoming) {
    // Also of a later deletion of the same: what is here was to stay.
    const bool meant = held->version == situation.RemoteVersion() ||
                       (held->loss == HeldRow::Loss::kDeleted && !there);
    if (!situation.present() || !meant) return std::nullopt;
    return Action{Action::Kind::kUpload, false, "what is here was kept"};
  }
  if (!there) return std::nullopt;
  if (situation.absent()) return Action{Action::Kind::kDownload, false, "restored"};
  if (held->loss != HeldRow::Loss::kReplaced) return std::nullopt;
  // What it was replaced by may hold anything by now.
  if (situation.is_directory()) {
    return Action{Action::Kind::kConflictLocalAside, true, "restored; the directory is kept"};
  }
  // Nor does it go if it was saved since the decision.
  if (situation.is_file() && !StillUnrelated(situation)) return std::nullopt;
  return Action{Action::Kind::kDownload, false, "restored"};
}

}  // namespace

Action Decide(const EngineContext& context, const Situation& situation) {
  if (const std::optional<Action> undo = Undo(context, situation); undo.has_value()) return *undo;
  std::optional<Entry> base;
  if (situation.base.has_value()) base = situation.base->entry;
  return Reconcile(base, LocalSide(situation, context.clock->Now()), RemoteSide(situation),
                   ModeFor(context, situation), context.PolicyFor(situation.path));
}

}  // namespace filesync
