#include "agent/cli/config_watcher.h"

#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(500);

}  // namespace

bool ConfigWatcher::Changed(absl::Time now) {
  if (now - looked_ < kLookEvery) return false;
  looked_ = now;
  std::string stamp = StampOf(seen_);
  if (stamp == stamp_) {
    changing_.clear();
    return false;
  }
  // What is still being written, or is replaced just now, is not read.
  if (stamp != changing_) {
    changing_ = std::move(stamp);
    return false;
  }
  stamp_ = std::exchange(changing_, {});
  return true;
}

absl::StatusOr<AgentOptions> ConfigWatcher::Read() {
  std::string before = StampOf(seen_);
  Rebinding agreed;
  FS_ASSIGN_OR_RETURN(Sources sources,
                      ReadSourcesAndBindings(flags_, rebinds_ ? &agreed : nullptr, &seen_));
  const auto says = [](const ConfigFile& file) {
    return !file.top.empty() || !file.folders.empty();
  };
  // Whoever wants the defaults back writes a file that says so; one that was cut to nothing, or is
  // gone, is on its way.
  if (says(seen_.file) && !says(sources.file)) {
    return InvalidArgument("{} is empty or gone; restart the agent if that is meant",
                           seen_.config_path);
  }
  FS_ASSIGN_OR_RETURN(AgentOptions options, CheckOptions(sources));
  const bool same_files =
      sources.env_path == seen_.env_path && sources.config_path == seen_.config_path;
  seen_ = std::move(sources);
  // A change while they were read is another one.
  stamp_ = same_files ? std::move(before) : StampOf(seen_);
  return options;
}

}  // namespace filesync
