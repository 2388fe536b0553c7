// CallMetrics: counts every gRPC call, started and ended, by an interceptor. Thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <atomic>
#include <memory>
#include <utility>

#include "libs/telemetry/metrics.h"

namespace filesync {

class CallMetrics final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `registry` must outlive the server. `active`: how many calls there are.
  CallMetrics(MetricsRegistry* registry, std::shared_ptr<std::atomic<int>> active)
      : registry_(registry), active_(std::move(active)) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  MetricsRegistry* const registry_;
  const std::shared_ptr<std::atomic<int>> active_;
};

}  // namespace filesync
