#include "agent/cli/conflict_text.h"

#include "agent/cli/display.h"

namespace filesync {

std::string ForPeople(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::LocalTimeZone());
}

std::string ForPeople(const ListedSide& side) {
  std::string text = side.type == "tombstone" ? "deleted" : side.type;
  if (side.type == "file") text += ", " + ForPeople(side.size);
  if (side.modified.has_value()) text += ", " + ForPeople(*side.modified);
  if (!side.by.empty()) text += ", by " + side.by;
  return text;
}

}  // namespace filesync
