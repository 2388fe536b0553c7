// InotifyWatcher: one inotify watch per directory.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/location/location.h"

namespace filesync {

// `root` must outlive the result.
absl::StatusOr<std::unique_ptr<Watcher>> NewInotifyWatcher(int root);

}  // namespace filesync
