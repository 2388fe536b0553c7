#include "libs/wire/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/channel_arguments.h>

#include <charconv>

#include "libs/base/status.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

// HTTP/2's default of 16 KiB costs more in headers and bookkeeping than in bytes; with much more, a
// commit would wait behind bulk data.
constexpr int kHttp2FrameBytes = 256 << 10;
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Below the client's 30 s, so that honest pings are never strikes.
constexpr int kShortestPingIntervalMs = 15'000;
constexpr int kPingStrikes = 2;
constexpr int kClientReceiveBytes = 8 << 20;
constexpr int kConnectTimeoutMs = 10'000;
constexpr int kFirstReconnectMs = 100;
constexpr int kLongestReconnectMs = 1'000;
constexpr int kHandshakeTimeoutMs = 10'000;
constexpr int kMaxMetadataBytes = 8 << 10;
constexpr int kStreamsPerConnection = 32;

}  // namespace

std::string Endpoint::ToString() const {
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text, bool allow_any_port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return InvalidArgument("\"{}\" is not HOST:PORT: no port", text);
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  Endpoint endpoint;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (error != std::errc() || end != digits.data() + digits.size() || endpoint.port > 65535 ||
      endpoint.port < (allow_any_port ? 0 : 1)) {
    return InvalidArgument("\"{}\" is not HOST:PORT: \"{}\" is no port number", text, digits);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return InvalidArgument("\"{}\" is not HOST:PORT: an IPv6 address needs [brackets]", text);
  }
  if (host.empty() || host.find_first_of("/[] \t\r\n") != std::string_view::npos) {
    return InvalidArgument("\"{}\" is not HOST:PORT: \"{}\" is no host name", text, host);
  }
  endpoint.host = host;
  return endpoint;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(const std::string& target) {
  FS_ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(target));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytes);
  arguments.SetMaxReceiveMessageSize(kClientReceiveBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A proxy from the environment would see plain traffic between hosts that name each other.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel("dns:///" + endpoint.ToString(),
                                   grpc::InsecureChannelCredentials(), arguments);
}

void ApplyServerSettings(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kShortestPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kPingStrikes);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  // Two servers on one port would each get half of the agents.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

void AddListeningPort(grpc::ServerBuilder& builder, const Endpoint& listen, int* bound_port) {
  builder.AddListeningPort(listen.ToString(), grpc::InsecureServerCredentials(), bound_port);
}

}  // namespace filesync
