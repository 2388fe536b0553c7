// FileSystems: names for the file systems in a root that outlive the numbers which the kernel gives
// to devices. A disk that comes back as another device (USB, LVM, a loop device, NFS) is the same
// disk. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/mounts.h"

namespace filesync {

class FileSystems {
 public:
  // `root`: a canonical path, on `device` (st_dev).
  FileSystems(std::string root, uint64_t device) : root_(std::move(root)), device_(device) {}

  // What is remembered of a device: 0 for the root's own file system, which its marker proves; for
  // one that is mounted in it a number made of its type, its id and its top directory's handle. The
  // device's own number when there is nothing better.
  uint64_t ToStored(uint64_t device);
  // The device of it now; what is not mounted is on no device that any file is on.
  uint64_t FromStored(uint64_t stored);

 private:
  // Looks at what is mounted, if that may have changed: a number may be another file system's by
  // now.
  void Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string root_;
  const uint64_t device_;
  absl::Mutex mutex_;
  MountTable mounts_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, uint64_t> stored_ ABSL_GUARDED_BY(mutex_);   // by device
  absl::flat_hash_map<uint64_t, uint64_t> devices_ ABSL_GUARDED_BY(mutex_);  // by what is stored
};

// The handle by which the file system itself knows the file that is open (inode and generation); of
// file systems without handles, the inode. Errors: of fstat.
absl::StatusOr<std::string> FileHandle(int fd);

}  // namespace filesync
