// Reconcile: the one pure function that decides everything, for the first sync and for every
// later change. No I/O, no clock. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/model/entry.h"
#include "libs/model/modes.h"

namespace filesync {

// What one side is, relative to the base.
struct Side {
  enum class State : uint8_t {
    kAbsent,     // not there, and there is no base
    kUnchanged,  // the same as the base
    kChanged,    // differs from the base, or is there without one
    kDeleted,    // there is a base, and it is gone
    kUnknown,    // can't be proven
  };
  State state = State::kUnknown;
  Entry entry;  // kChanged: what it is now
  // kChanged: what the policy `newest` compares, in nanoseconds since the epoch: the mtime, or
  // the time of receipt where the mtime can't be true.
  int64_t changed_at_ns = 0;
};

struct Action {
  enum class Kind : uint8_t {
    kNothing,
    kUpload,        // commit the local state over the remote one
    kDownload,      // make the local side the remote entry
    kDeleteRemote,  // commit a tombstone
    kDeleteLocal,
    kAgree,                // both are the same already: record the base (remote's version)
    kAgreeMetadataLocal,   // same content, local metadata is newer: upload metadata
    kAgreeMetadataRemote,  // same content, remote metadata is newer: apply it
    kConflictKeepBoth,     // remote keeps the name, local becomes a conflict copy
    kConflictLocalAside,   // the same for another reason: a remote directory takes the name
    kConflictRemoteAside,  // a local directory keeps the name; the remote file becomes the copy
    kHold,                 // unknown or manual: nothing is decided
  };
  Kind kind = Kind::kNothing;
  bool conflict = false;  // both sides had changed differently: counted and said
  const char* why = "";   // a short reason for status and dry runs
};

Action Reconcile(const std::optional<Entry>& base, const Side& local, const Side& remote, Mode mode,
                 ConflictPolicy policy);

// "NAME.conflict-YYYYMMDD-HHMMSS-AGENT.EXT" beside `path`; `attempt` > 0 appends "-N" before
// the extension. Never longer than a legal name: the stem is cut at a UTF-8 border.
RelPath ConflictCopyPath(const RelPath& path, int64_t unix_seconds, const std::string& agent_name,
                         int attempt);

}  // namespace filesync
