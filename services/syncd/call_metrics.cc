#include "services/syncd/call_metrics.h"

#include <string>
#include <string_view>

#include "libs/telemetry/metric_names.h"

namespace filesync {
namespace {

const char* TypeName(grpc::experimental::ServerRpcInfo::Type type) {
  using Type = grpc::experimental::ServerRpcInfo::Type;
  switch (type) {
    case Type::UNARY:
      return "unary";
    case Type::CLIENT_STREAMING:
      return "client_stream";
    case Type::SERVER_STREAMING:
      return "server_stream";
    case Type::BIDI_STREAMING:
      return "bidi_stream";
  }
  return "unknown";
}

const char* CodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return code >= 0 && code < static_cast<int>(std::size(kNames)) ? kNames[code] : "Unknown";
}

class CallCounter final : public grpc::experimental::Interceptor {
 public:
  CallCounter(MetricsRegistry* registry, std::shared_ptr<std::atomic<int>> active,
              MetricLabels labels)
      : registry_(registry), active_(std::move(active)), labels_(std::move(labels)) {
    ++*active_;
    registry_->AddCounter(metric::kGrpcStarted, labels_).Increment();
  }
  ~CallCounter() override { --*active_; }
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      MetricLabels labels = labels_;
      labels.emplace_back("grpc_code", CodeName(methods->GetSendStatus().error_code()));
      registry_->AddCounter(metric::kGrpcHandled, labels).Increment();
    }
    methods->Proceed();
  }

 private:
  MetricsRegistry* const registry_;
  const std::shared_ptr<std::atomic<int>> active_;
  const MetricLabels labels_;
};

}  // namespace

grpc::experimental::Interceptor* CallMetrics::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  // "/package.Service/Method".
  std::string_view service = info->method();
  service.remove_prefix(service.starts_with('/') ? 1 : 0);
  std::string_view method;
  if (const size_t slash = service.find('/'); slash != std::string_view::npos) {
    method = service.substr(slash + 1);
    service = service.substr(0, slash);
  }
  return new CallCounter(registry_, active_,
                         {{"grpc_service", std::string(service)},
                          {"grpc_method", std::string(method)},
                          {"grpc_type", TypeName(info->type())}});
}

}  // namespace filesync
