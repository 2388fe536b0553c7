// HealthService: grpc.health.v1.Health, with descriptors that reflection can show. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace filesync {

class HealthWatch;

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `services`: full names of what the server has; "" (the whole) is added. Not serving yet.
  explicit HealthService(std::vector<std::string> services);
  ~HealthService() override;

  // Of all services; watchers are told.
  void SetServing(bool serving);
  bool serving() const;
  // Ends the watchers' streams and refuses new ones. Returns at once.
  void Shutdown();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  friend class HealthWatch;
  void Forget(HealthWatch* watch);

  const absl::flat_hash_set<std::string> services_;
  mutable absl::Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<HealthWatch*> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace filesync
