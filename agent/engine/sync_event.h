// SyncEvent: one thing that the engine did or found, for displays, streams and hooks. Value type.
#pragma once

#include <cstdint>
#include <string>

#include "libs/paths/rel_path.h"

namespace filesync {

struct SyncEvent {
  enum class Kind : uint8_t {
    kUploaded,
    kDownloaded,
    kDeletedHere,
    kDeletedThere,
    kMovedHere,   // as it was there
    kMovedThere,  // as it was here
    kConflict,    // settled, by a copy or by a policy
    kConflictHeld,
    kFailed
  };
  Kind kind = Kind::kFailed;
  RelPath path;
  RelPath to;          // where it moved, or the conflict copy; the root when there is none
  uint64_t bytes = 0;  // of new content
  std::string why;     // a short reason, for people

  // Content may have travelled for it.
  bool MayEndTransfer() const {
    return kind == Kind::kUploaded || kind == Kind::kDownloaded || kind == Kind::kMovedThere;
  }
  // There is something that has to be explained: not what a side simply took over.
  bool NeedsReason() const {
    return kind == Kind::kConflict || kind == Kind::kConflictHeld || kind == Kind::kFailed;
  }
};

}  // namespace filesync
