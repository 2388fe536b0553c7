// Channel: how both sides set up their connections: credentials, keepalive, message sizes.
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace grpc {
class Channel;
class ServerBuilder;
}  // namespace grpc

namespace filesync {

// HOST:PORT as people write it; an IPv6 host stands in brackets.
struct Endpoint {
  std::string host;  // without brackets
  int port = 0;
  // HOST:PORT again, with brackets where needed.
  std::string ToString() const;
};

// InvalidArgument with what is wrong. Port 0 (any free one) only with `allow_any_port`.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text, bool allow_any_port = false);

// A client channel of its own (never shared with another of the same target), not connected
// yet. Nothing is retried behind the caller's back: reconnecting is the caller's to pace.
// InvalidArgument when `target` is not HOST:PORT.
absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(const std::string& target);

// Limits and keepalive of a server; the counterpart of NewChannel.
void ApplyServerSettings(grpc::ServerBuilder& builder);

// Adds `listen` as a port of the server; `*bound_port` is set when it starts, to 0 when the
// port cannot be had.
void AddListeningPort(grpc::ServerBuilder& builder, const Endpoint& listen, int* bound_port);

}  // namespace filesync
