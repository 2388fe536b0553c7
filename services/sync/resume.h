// Resume: where sending starts again for an agent that names its cursor, and whether this
// server still holds the history that the cursor was taken in. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "libs/model/entry.h"

namespace filesync {

struct ResumePoint {
  // False: the cursor belongs to a tail that this server has lost, or never had.
  bool known = true;
  // Everything after this version is to be sent.
  uint64_t after = 0;
  // When not known: the last version of the cursor's incarnation that this server kept; 0 when
  // it does not know the incarnation at all.
  uint64_t last_kept = 0;
};

// `rows`: the folder's incarnations, oldest first. `head`: its published head.
ResumePoint FindResumePoint(const Cursor& cursor, const std::vector<Incarnation>& rows,
                            uint64_t head);

}  // namespace filesync
