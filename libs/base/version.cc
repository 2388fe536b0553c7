#include "libs/base/version.h"

namespace filesync {

const char kVersion[] = FILESYNC_VERSION;

}  // namespace filesync
