// The root of a local directory: what may be one, and the marker by which it is known again.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_directory.h"

namespace filesync {

struct LocalRoot {
  std::string path;  // canonical
  UniqueFd fd;
};

// A directory that may be synced. InvalidArgument when it is none, or lies inside another synced
// directory.
absl::StatusOr<LocalRoot> OpenLocalRoot(const std::string& path);

// What is in the state directory decides what an agent writes, and where: only the user that it
// runs as may have a say in it. PermissionDenied, with what to do, when another user owns it or may
// write to it, or when something in it is a link. `shared`: what others may do is no reason (file
// systems that know no owners), links are.
absl::Status CheckStateDirectory(int state, const std::string& root, bool shared);

// Other users may make an agent of root write and delete for them where they may rename.
// PermissionDenied when this is root's, and `root`, at `path`, can be written to by others.
absl::Status CheckRootOfRoot(int root, const std::string& path);

// Who `root` is by its marker; without one, a new identity. `make`: then the marker is written;
// else `state` may be -1.
absl::StatusOr<RootIdentity> ReadRootIdentity(int root, int state, bool make);

// Ok while what stands at `path` is the directory of `identity` and, if it is `marked`, has its
// marker; else FailedPrecondition with the reason.
absl::Status CheckLocalRoot(const std::string& path, const RootIdentity& identity, bool marked);

}  // namespace filesync
