#include "services/sync/peer_address.h"

#include <string_view>

#include "absl/strings/str_replace.h"

namespace filesync {

std::string ReadablePeerAddress(std::string peer) {
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (peer.starts_with(scheme)) peer.erase(0, scheme.size());
  }
  return absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
}

}  // namespace filesync
