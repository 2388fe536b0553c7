#include "services/syncd/health_check.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/base/status.h"
#include "libs/wire/grpc_status.h"

namespace filesync {
namespace {

constexpr auto kDeadline = std::chrono::seconds(3);

}  // namespace

absl::Status CheckHealth(Endpoint listen) {
  if (listen.host == "0.0.0.0") listen.host = "127.0.0.1";
  if (listen.host == "::") listen.host = "::1";
  FS_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, NewChannel(listen.ToString()));
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  grpc::health::v1::HealthCheckResponse response;
  FS_RETURN_IF_ERROR(Annotate(FromGrpc(stub->Check(&context, {}, &response)),
                              fmt::format("asking {}", listen.ToString())));
  if (response.status() == grpc::health::v1::HealthCheckResponse::SERVING) {
    return absl::OkStatus();
  }
  return Unavailable("the server at {} is up but not serving", listen.ToString());
}

}  // namespace filesync
