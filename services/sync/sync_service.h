// SyncService: filesync.v1.SyncService over the callback API; see sync.proto. Thread-safe.
#pragma once

#include <atomic>
#include <memory>

#include "filesync/v1/sync.grpc.pb.h"
#include "services/sync/sync_dependencies.h"

namespace filesync {

class SyncService final : public v1::SyncService::CallbackService {
 public:
  explicit SyncService(SyncDependencies dependencies);

  grpc::ServerBidiReactor<v1::SyncRequest, v1::SyncResponse>* Sync(
      grpc::CallbackServerContext* context) override;

  // Refuses new streams, tells each open one to come back after a random part of `spread`, lets
  // commits that are being worked on finish, and ends the streams. Returns at once.
  void Drain(absl::Duration spread);

 private:
  const SyncDependencies dependencies_;
  std::atomic<bool> draining_ = false;
};

}  // namespace filesync
