// SyncEvent: one thing that the engine did or found, for displays, streams and hooks. Value type.
#pragma once

#include <string>

#include "libs/paths/rel_path.h"

namespace filesync {

struct SyncEvent {
  enum class Kind : uint8_t {
    kUploaded,
    kDownloaded,
    kDeletedHere,
    kDeletedThere,
    kMoved,
    kConflict,  // settled, by a copy or by a policy
    kConflictHeld,
    kFailed
  };
  Kind kind;
  RelPath path;
  std::string detail;  // for people: where it moved, the conflict copy's name, the reason
  RelPath other;       // where it moved, or the conflict copy; the root when there is none
};

}  // namespace filesync
