// LocationParts: what an engine works on. The real ones change the directory, its state and the
// folder; those of a dry run stand before them and remember what would be changed, so that the
// same engine makes the same decisions about both.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "agent/engine/location_options.h"
#include "agent/engine/server_link.h"
#include "agent/engine/state/state.h"
#include "libs/location/local_directory.h"
#include "libs/telemetry/log.h"

namespace filesync {

// The state's setting of how far a first sync is: absent: not begun; one side is winning it; done,
// or to be a merge.
inline constexpr char kFirstSyncKey[] = "first_sync";
inline constexpr char kFirstSyncOpen[] = "open";
inline constexpr char kFirstSyncDone[] = "done";

struct LocationParts {
  std::unique_ptr<LocalDirectory> directory;
  std::unique_ptr<State> state;
  std::unique_ptr<ServerLink> link;
  // Of which files the content is fetched; null: of all.
  std::function<bool(const Entry&)> fetches;
  // What changes while it runs is followed.
  bool watches = true;
};

// Opens the directory of `options` and its state, makes what is missing of the latter, and locks
// it. Errors: see LocalDirectory::Open. The clock must outlive the parts.
absl::StatusOr<LocationParts> OpenParts(const LocationSyncOptions& options,
                                        std::unique_ptr<ServerLink> link, Clock* clock,
                                        Logger* log);

// The same for a dry run: what is done with them changes neither the directory nor its state nor
// anything on the server. They take no lock, so an agent may run for the directory; then they say
// what it has still to do. Errors: see LocalDirectory::OpenToLook; Unavailable when that agent
// writes its state all the time.
absl::StatusOr<LocationParts> OpenPartsForDryRun(const LocationSyncOptions& options,
                                                 std::unique_ptr<ServerLink> link, Clock* clock,
                                                 Logger* log);

}  // namespace filesync
