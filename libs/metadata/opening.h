// Opening: what happens at every start before anything is served: the format is checked, a new
// incarnation begins, and versions go on where none was given out. Used once per start.
//
// Keys in the table `system`: "format" (8 bytes), "server_id" (16), "clean_stop" (present after
// a clean stop only), "directory" (device and inode that the data directory had).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/metadata/metadata_store.h"
#include "libs/metadata/version_allocator.h"

namespace filesync {

struct OpenedStore {
  std::string server_id;
  std::vector<Incarnation> incarnations;  // the last is this start's
  std::vector<FolderInfo> folders;
  std::unique_ptr<VersionAllocator> allocator;
};

absl::StatusOr<OpenedStore> OpenStore(KvStore* kv, const Clock& clock,
                                      const MetadataOptions& options);

// The last write before a clean stop.
absl::Status MarkCleanStop(KvStore* kv);

}  // namespace filesync
