// CallMetrics: counts every gRPC call, started and ended, by an interceptor. Thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include "libs/telemetry/metrics.h"

namespace filesync {

class CallMetrics final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `registry` must outlive the server.
  explicit CallMetrics(MetricsRegistry* registry) : registry_(registry) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  MetricsRegistry* const registry_;
};

}  // namespace filesync
