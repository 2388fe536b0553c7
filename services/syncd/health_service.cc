#include "services/syncd/health_service.h"

#include <optional>
#include <utility>

namespace filesync {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call. Only the latest status counts: a slow reader skips those between. Deletes
// itself in OnDone; the service calls it only before that, under the service's lock.
class HealthWatch final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  HealthWatch(HealthService* service, bool known) : service_(service), known_(known) {}

  void Tell(HealthCheckResponse::ServingStatus status) {
    absl::MutexLock lock(&mutex_);
    next_ = known_ ? status : HealthCheckResponse::SERVICE_UNKNOWN;
    Pump();
  }
  // After the status that is still to be told.
  void End() {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    Pump();
  }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    broken_ = broken_ || !ok;
    Pump();
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
    Pump();
  }
  void OnDone() override {
    service_->Forget(this);
    // Whoever called Finish is still inside the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

 private:
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    const bool news = next_.has_value() && next_ != told_;
    if (broken_ || (ending_ && !news)) {
      finished_ = true;
      Finish({grpc::UNAVAILABLE, "the server is going away"});
    } else if (news) {
      told_ = next_;
      message_.set_status(*next_);
      writing_ = true;
      StartWrite(&message_);
    }
  }

  HealthService* const service_;
  const bool known_;
  absl::Mutex mutex_;
  HealthCheckResponse message_;
  std::optional<HealthCheckResponse::ServingStatus> told_ ABSL_GUARDED_BY(mutex_);
  std::optional<HealthCheckResponse::ServingStatus> next_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

namespace {

HealthCheckResponse::ServingStatus ToStatus(bool serving) {
  return serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

absl::flat_hash_set<std::string> WithWhole(std::vector<std::string> services) {
  absl::flat_hash_set<std::string> result(services.begin(), services.end());
  result.insert("");
  return result;
}

}  // namespace

HealthService::HealthService(std::vector<std::string> services)
    : services_(WithWhole(std::move(services))) {}

HealthService::~HealthService() = default;

void HealthService::SetServing(bool serving) {
  absl::MutexLock lock(&mutex_);
  serving_ = serving;
  for (HealthWatch* watch : watches_) watch->Tell(ToStatus(serving));
}

bool HealthService::serving() const {
  absl::MutexLock lock(&mutex_);
  return serving_;
}

void HealthService::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
  for (HealthWatch* watch : watches_) watch->End();
}

void HealthService::Forget(HealthWatch* watch) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(watch);
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!services_.contains(request->service())) {
    reactor->Finish({grpc::NOT_FOUND, "this server has no such service"});
    return reactor;
  }
  response->set_status(ToStatus(serving()));
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  auto* watch = new HealthWatch(this, services_.contains(request->service()));
  absl::MutexLock lock(&mutex_);
  watches_.insert(watch);
  watch->Tell(ToStatus(serving_));
  if (shut_down_) watch->End();
  return watch;
}

}  // namespace filesync
