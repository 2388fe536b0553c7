#include "services/sync/sync_service.h"

#include <utility>

#include "absl/random/random.h"
#include "libs/base/status.h"
#include "libs/wire/grpc_status.h"
#include "services/sync/sync_stream.h"

namespace filesync {
namespace {

class Refusal final : public grpc::ServerBidiReactor<v1::SyncRequest, v1::SyncResponse> {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

SyncService::SyncService(SyncDependencies dependencies) : dependencies_(std::move(dependencies)) {}

grpc::ServerBidiReactor<v1::SyncRequest, v1::SyncResponse>* SyncService::Sync(
    grpc::CallbackServerContext* context) {
  if (draining_) return new Refusal(Unavailable("the server is going away; come back later"));
  return SyncStream::Start(&dependencies_, context);
}

void SyncService::Drain(absl::Duration spread) {
  draining_ = true;
  absl::BitGen random;
  dependencies_.sessions->ForEachControl([&](SessionControl& session) {
    session.GoAway(absl::Milliseconds(
        absl::Uniform<int64_t>(random, 0, absl::ToInt64Milliseconds(spread) + 1)));
  });
}

}  // namespace filesync
