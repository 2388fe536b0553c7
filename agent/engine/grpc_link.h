// GrpcLink: ServerLink over gRPC. One channel; one thread per connection that reads the Sync
// stream (and so blocks on the network and on its listener). Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/engine/server_link.h"
#include "agent/traffic/rate_limiter.h"
#include "agent/traffic/transfer_slots.h"

namespace filesync {

// What all links of a process share: how fast content may be sent and received, and by how many
// at once. Small files, which travel with their commits, go before large ones and need no slot.
struct TransferLimits {
  explicit TransferLimits(Clock* clock) : up(std::nullopt, clock), down(std::nullopt, clock) {}
  RateLimiter up;
  RateLimiter down;
  TransferSlots slots{kTransfersAtOnce};

  static constexpr size_t kTransfersAtOnce = 8;
  // Lets go who waits, for good.
  void Shutdown() {
    up.Shutdown();
    down.Shutdown();
    slots.Shutdown();
  }
};

// `target`: HOST:PORT; InvalidArgument when it is not. `limits` must outlive the link.
absl::StatusOr<std::unique_ptr<ServerLink>> NewGrpcLink(const std::string& target,
                                                        TransferLimits* limits,
                                                        FolderPriority priority);

}  // namespace filesync
