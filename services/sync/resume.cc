#include "services/sync/resume.h"

#include <algorithm>

namespace filesync {

ResumePoint FindResumePoint(const Cursor& cursor, const std::vector<Incarnation>& rows,
                            uint64_t head) {
  if (cursor.incarnation.empty()) return {};
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].id != cursor.incarnation) continue;
    // A row ends where the next one begins. Nothing above the head was kept under any row.
    uint64_t last = head;
    if (i + 1 < rows.size()) last = std::min(last, rows[i + 1].first_version - 1);
    if (cursor.version <= last) return {true, cursor.version, 0};
    return {false, 0, last};
  }
  return {false, 0, 0};
}

}  // namespace filesync
