// GrpcLink: ServerLink over gRPC. One channel; one thread per connection that reads the Sync
// stream (and so blocks on the network and on its listener). Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/engine/server_link.h"

namespace filesync {

// `target`: HOST:PORT; InvalidArgument when it is not.
absl::StatusOr<std::unique_ptr<ServerLink>> NewGrpcLink(const std::string& target);

}  // namespace filesync
