#include "agent/cli/config_watcher.h"

#include <unistd.h>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(500);

}  // namespace

bool ConfigWatcher::Changed(absl::Time now) {
  if (now - looked_ < kLookEvery) return false;
  looked_ = now;
  std::string stamp = StampOf(seen_);
  if (stamp == stamp_) return false;
  stamp_ = std::move(stamp);
  return true;
}

absl::StatusOr<AgentOptions> ConfigWatcher::Read() {
  FS_ASSIGN_OR_RETURN(Sources sources, ReadSources(flags_, environ));
  FS_ASSIGN_OR_RETURN(AgentOptions options, CheckOptions(sources));
  seen_ = std::move(sources);
  stamp_ = StampOf(seen_);
  return options;
}

}  // namespace filesync
