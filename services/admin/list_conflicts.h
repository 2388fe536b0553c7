// ListConflicts: what agents hold for a person, from their records, and then the conflict copies
// among the folder's entries, found by their names. Blocks on the disk; thread-safe.
#pragma once

#include "services/admin/admin_service.h"

namespace filesync {

// One page. InvalidArgument: prefix or page token.
absl::Status ListConflicts(const AdminDependencies& dependencies, const FolderInfo& folder,
                           const v1::ListConflictsRequest& request,
                           v1::ListConflictsResponse* response);

}  // namespace filesync
