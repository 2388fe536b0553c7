#include "libs/wire/channel.h"

#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

TEST(EndpointTest, HostsAndPortsAreRead) {
  const std::pair<const char*, Endpoint> good[] = {
      {"localhost:50051", {"localhost", 50051}},
      {"10.0.0.1:1", {"10.0.0.1", 1}},
      {"[::1]:65535", {"::1", 65535}},
  };
  for (const auto& [text, expected] : good) {
    const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(text);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->host, expected.host);
    EXPECT_EQ(endpoint->port, expected.port);
    EXPECT_EQ(endpoint->ToString(), text);
  }
}

TEST(EndpointTest, EverythingElseIsRefused) {
  for (const char* text :
       {"", "host", ":1", "host:", "host:x", "host:-1", "host:65536", "host:1x", "::1:80",
        "ho st:1", "unix:/tmp/s", "http://host:1", "[::1:1", "host:0"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseEndpoint(text).status())) << text;
    EXPECT_FALSE(NewChannel(text).ok()) << text;
  }
  EXPECT_TRUE(ParseEndpoint("host:0", /*allow_any_port=*/true).ok());
}

TEST(GrpcStatusTest, CodeAndMessageAreKeptBothWays) {
  for (int code = 0; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what to do");
    const grpc::Status there = ToGrpc(status);
    EXPECT_EQ(there.error_code(), code);
    EXPECT_EQ(FromGrpc(there), status);
  }
}

}  // namespace
}  // namespace filesync
