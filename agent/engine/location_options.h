// LocationSyncOptions: how one location is kept in step with its folder. Value type.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "agent/engine/filters.h"
#include "agent/traffic/token_queue.h"
#include "libs/content/frame.h"
#include "libs/location/location.h"
#include "libs/model/modes.h"
#include "libs/reconcile/brake.h"
#include "libs/reconcile/conflict_policies.h"

namespace filesync {

struct LocationSyncOptions {
  std::string directory;
  std::string folder = "default";
  std::string agent_name;
  std::string server;  // HOST:PORT, for status
  Mode mode = Mode::kTwoWay;
  ConflictPolicies policies;
  FilterOptions filters;
  BrakeLimit max_delete;
  // Whose side wins the first sync; kNone: both are merged.
  Winner first_sync = Winner::kNone;
  // Whose side wins all that differs now, whatever was agreed on before; kNone: neither.
  Winner force = Winner::kNone;
  // A person agreed to what a winner costs the other side.
  bool losses_agreed = false;
  CompareBy compare = CompareBy::kQuick;
  Preserve preserve;
  // Other users may write to the directory, and its file system may know no owners.
  bool allow_shared_root = false;
  FrameOptions compression;
  // Before or after other locations of the process, where limits make them wait.
  FolderPriority priority = FolderPriority::kNormal;
  bool ignore_pause = false;  // for a run that was asked for now
  // Reads every file, whatever its size and times say.
  bool read_all = false;
  // Looks first, receives then and sends last, so that what it does depends on the two sides and
  // not on which news is faster: for a run that ends by itself. What changes while it runs is for
  // the next one, or it would not end where a file is written all the time.
  bool step_by_step = false;
  // When set, nothing is watched, scanned or synced but this path: a conflict that is settled
  // while no agent runs. Everything else that arrives is kept for the next agent.
  std::optional<RelPath> only;
  // With `only`: what is below it is looked at as well, and is scanned; still not watched.
  bool with_subtree = false;
  // What the conflict at `only` is settled by.
  std::optional<ConflictPolicy> decision;
  absl::Duration rescan_interval = absl::Hours(1);
  TrashLimits trash;
};

}  // namespace filesync
