// LocalDirectory: a Location on a POSIX file system, and its .syncagent/ state directory.
//
// Every call goes by a directory handle opened beneath the root (openat2 with RESOLVE_BENEATH,
// NO_SYMLINKS, NO_MAGICLINKS). Replacing is renameat2 EXCHANGE and a look at what came out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/location/location.h"

namespace filesync {

// What the marker .syncagent/root-id says, and whether it was new.
struct RootIdentity {
  std::string root_id;  // 16 bytes, hex in the file
  uint64_t device = 0;
  uint64_t inode = 0;
  // As the file system knows it; outlives the device's number.
  std::string handle;
  bool created = false;  // there was no marker before
};

class LocalDirectory : public Location {
 public:
  // Opens `path`; InvalidArgument when it is no directory, or lies inside (or around) another
  // synced directory, PermissionDenied when it can't be used. Makes .syncagent/ (0700), its
  // tmp/ and trash/, and the marker if missing, and takes an exclusive lock on the state
  // directory: FailedPrecondition when another agent holds it.
  // PermissionDenied, too, when other users have a say in it that they must not have (see
  // local_root.h), unless `shared` allows for it.
  static absl::StatusOr<std::unique_ptr<LocalDirectory>> Open(const std::string& path,
                                                              const Clock* clock,
                                                              Preserve preserve = {},
                                                              bool shared = false);
  // The same without changing anything: makes nothing, takes no lock, and so stands beside a
  // running agent. Only what looks, lists and reads may be called; CheckRoot does not ask for a
  // marker that was not there.
  static absl::StatusOr<std::unique_ptr<LocalDirectory>> OpenToLook(const std::string& path,
                                                                    const Clock* clock,
                                                                    Preserve preserve = {},
                                                                    bool shared = false);
  using Location::Open;
  virtual const RootIdentity& identity() const = 0;
  // For SQLite and sockets, which take paths: "/proc/self/fd/N" of the state directory; "" when
  // it has none (OpenToLook).
  virtual std::string StateDirectoryPath() const = 0;
  // Replaces the small file `name` in the state directory, durably. A directory that is only looked
  // at stays as it is.
  virtual absl::Status WriteNote(const std::string& name, std::string_view bytes) = 0;
};

}  // namespace filesync
