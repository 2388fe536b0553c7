// PeerAddress: gRPC's name for a peer as people write addresses. Thread-safe.
#pragma once

#include <string>

namespace filesync {

// "ipv4:10.0.0.1:40000" becomes "10.0.0.1:40000", "ipv6:%5B::1%5D:40000" "[::1]:40000".
std::string ReadablePeerAddress(std::string peer);

}  // namespace filesync
