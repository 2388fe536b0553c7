#include "agent/cli/sync_options.h"

namespace filesync {

LocationSyncOptions ToSyncOptions(const AgentOptions& options, const FolderDirectory& location) {
  LocationSyncOptions sync;
  sync.directory = location.directory;
  sync.folder = location.folder;
  sync.agent_name = options.name;
  sync.server = options.server;
  sync.mode = options.mode;
  sync.policies = options.policies;
  sync.filters = options.filters;
  sync.max_delete = options.max_delete;
  sync.ignore_pause = options.command != Command::kRun;
  sync.step_by_step = options.command != Command::kRun;
  sync.read_all = options.full;
  return sync;
}

}  // namespace filesync
