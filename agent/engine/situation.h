// Situation: all that is known of one path at the moment it is looked at, and what Reconcile
// makes of it. Engine's thread.
#pragma once

#include <optional>

#include "agent/engine/engine_context.h"
#include "libs/reconcile/reconcile.h"

namespace filesync {

struct Situation {
  RelPath path;
  Look look;
  std::optional<BaseRow> base;
  std::optional<Entry> remote;       // known and not applied yet; a tombstone: deleted there
  std::optional<PreparedFile> file;  // content of the local file, once it was read
  // A file that was moved here unread: the base row of where it was.
  std::optional<BaseRow> moved_from;
  // The base content of where it was moved from, read or not: the server has its chunks.
  std::optional<Content> origin;
  // The base row of where it was moved from, read or not: what it carried is carried on.
  std::optional<BaseRow> previous;
  // A file that was moved here, not edited: what the folder has where it was, edited there.
  std::optional<Entry> follows;
  // How often it was found being written before.
  int busy_attempts = 0;
  // Its content is read though it looks unchanged.
  bool verify = false;
  // The base is what the server has, which was put back to before what was agreed on here.
  bool older_there = false;
  // Why what was decided was decided.
  const char* why = "";

  bool present() const { return look.presence == Look::Presence::kPresent; }
  bool absent() const { return look.presence == Look::Presence::kAbsent; }
  bool is_file() const { return present() && look.entry.type == LocalType::kFile; }
  bool is_directory() const { return present() && look.entry.type == LocalType::kDirectory; }
  // The local side is what the base says; nothing has to be read to know it.
  bool LocalUnchanged() const;
  // The local side is a file whose content must be read before anything can be decided.
  bool NeedsContent() const;
  // What ignore rules for directories go by.
  bool IsDirectoryAnywhere() const;
  // It is missing here, and what the folder has there is to be deleted for it.
  bool DeletesThere(Mode mode) const;
  // Neither side has news that `mode` acts on.
  bool NothingToDecide(Mode mode) const;
  // Of the remote entry that was looked at; 0: none.
  uint64_t RemoteVersion() const { return remote.has_value() ? remote->version : 0; }
  // The version a commit has to name as its base.
  uint64_t BaseVersion() const;
  // The local state as an entry; content from `file`, `moved_from` or the base.
  Entry LocalEntryNow() const;
  // The row that tells how the entry stood before: here, or where it was moved from. May be null.
  const BaseRow* Before() const;
  // As it stands here now: as read, else as looked at.
  LocalMetadata MetadataNow() const { return file ? file->metadata : look.entry.Metadata(); }
  const Fingerprint& FingerprintNow() const {
    return file ? file->fingerprint : look.entry.fingerprint;
  }
};

// The two sides, for people.
HeldConflict ToHeldConflict(const Situation& situation);

// Looks at `path`: the location, the base, and the remote entry that waits for it.
absl::StatusOr<Situation> Examine(EngineContext& context, const RelPath& path);
// The same of a path that is known to be absent here.
absl::StatusOr<Situation> ExamineAbsent(EngineContext& context, const RelPath& path);

// Of a side that did not change and still decides, as a mirror's source does.
Entry SourceOfMirror(const Situation& situation);

// Whose side decides about it as a whole; kNone: the mode.
Winner WinnerFor(const EngineContext& context, const Situation& situation);
// The mode that decides about it.
Mode ModeFor(const EngineContext& context, const Situation& situation);

// What to do. NeedsContent() must be false or `file` set.
Action Decide(const EngineContext& context, const Situation& situation);

}  // namespace filesync
