// The control socket's framing: messages of at most 4 MiB, each after its length (4 bytes,
// big-endian). Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace filesync {

inline constexpr uint32_t kLargestControlMessage = 4 << 20;

// From now on sending and receiving give up after 10 s.
void SetControlTimeouts(int fd);
// They take as long as it takes.
void ClearControlTimeouts(int fd);
absl::Status SendControlMessage(int fd, const std::string& message);
// Unavailable: the other side hung up. InvalidArgument: too large.
absl::StatusOr<std::string> ReceiveControlMessage(int fd);

}  // namespace filesync
