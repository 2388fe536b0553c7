#include "libs/location/location.h"

namespace filesync {

bool Fingerprint::SameButCtime(const Fingerprint& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         mtime_ns == other.mtime_ns;
}

}  // namespace filesync
