// HealthCheck: the client's side of the health service, for `syncd healthcheck`. Blocks.
#pragma once

#include "absl/status/status.h"
#include "libs/wire/channel.h"

namespace filesync {

// Ok when the server that listens on `listen` says that it serves. A wildcard address is asked
// on the loopback.
absl::Status CheckHealth(Endpoint listen);

}  // namespace filesync
