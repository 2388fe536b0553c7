// Owners and extended attributes as the local file system has them. What it can't tell is null,
// what it can't take is said; neither is an error of the entry. Thread-safe.
#pragma once

#include <sys/stat.h>

#include <string>

#include "libs/location/accounts.h"
#include "libs/location/location.h"

namespace filesync {

class PosixAttributes {
 public:
  explicit PosixAttributes(Preserve preserve) : preserve_(preserve) {}

  const Preserve& preserve() const { return preserve_; }

  // Of what `info` is the stat of, reached as `name` in a directory. To be called after the stat,
  // so that a change in between shows in the ctime. `untold`: why not all of it could be told.
  Attributes Look(int directory, const std::string& name, const struct stat& info,
                  std::string& untold);
  // By handle.
  Attributes LookFd(int fd, const struct stat& info);

  // Makes what `fd` (O_PATH will do) leads to what `wanted` says, as far as it is preserved here.
  AttributeLoss Apply(int fd, const struct stat& info, const Attributes& wanted);

 private:
  Attributes LookPath(const std::string& path, const struct stat& info, std::string& untold);
  absl::Status SetOwner(int fd, const struct stat& info, const Owner& owner);

  const Preserve preserve_;
  Accounts accounts_;
};

}  // namespace filesync
