// DownloadStream: one DownloadChunks call.
//
// Reactions never block: reading is a job on the executor. One message is prepared while the
// one before it is being written, and no more. Life: owns itself until OnDone; a job holds a
// reference. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/chunk/chunk_dependencies.h"

namespace filesync {

class DownloadStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                             public std::enable_shared_from_this<DownloadStream> {
 public:
  // `dependencies` must outlive the stream; `request`, a DownloadChunksRequest, is shared.
  static DownloadStream* Start(const ChunkDependencies* dependencies,
                               const grpc::ByteBuffer& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  explicit DownloadStream(const ChunkDependencies* dependencies) : dependencies_(dependencies) {}

  // Starts whatever can be started now.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The job: checks the request first, then prepares the next message; nullopt at the end.
  void Work();
  absl::StatusOr<std::optional<grpc::ByteBuffer>> NextMessage();
  absl::Status CheckRequest();
  absl::Status ReadSome();

  const ChunkDependencies* const dependencies_;

  // Belong to the job that runs.
  grpc::ByteBuffer request_;
  bool checked_ = false;
  std::vector<ChunkId> ids_;
  size_t next_read_ = 0;
  size_t next_sent_ = 0;
  std::deque<absl::Cord> frames_;  // of ids_[next_sent_] and on
  size_t typical_frame_ = 64 << 10;

  absl::Mutex mutex_;
  std::shared_ptr<DownloadStream> self_ ABSL_GUARDED_BY(mutex_);
  grpc::ByteBuffer outgoing_;  // gRPC's while writing_
  std::optional<grpc::ByteBuffer> prepared_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
