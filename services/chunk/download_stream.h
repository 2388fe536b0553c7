// DownloadStream: one DownloadChunks call.
//
// Reactions never block: reading is a job on the executor. One message is prepared while the
// one before it is being written, and no more. Life: owns itself until OnDone; a job holds a
// reference. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/chunk/chunk_dependencies.h"
#include "services/chunk/download_budget.h"
#include "services/chunk/open_streams.h"

namespace filesync {

class DownloadStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                             public DownloadBudget::Holder,
                             public OpenStreams::Stream,
                             public std::enable_shared_from_this<DownloadStream> {
 public:
  // `dependencies`, `open` and `budget` must outlive the stream; `request`, a
  // DownloadChunksRequest, is shared.
  static DownloadStream* Start(const ChunkDependencies* dependencies, OpenStreams* open,
                               DownloadBudget* budget, grpc::CallbackServerContext* context,
                               const grpc::ByteBuffer& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Evict() override;
  void GoAway() override;

 private:
  DownloadStream(const ChunkDependencies* dependencies, OpenStreams* open, DownloadBudget* budget,
                 grpc::CallbackServerContext* context)
      : dependencies_(dependencies), open_(open), budget_(budget), context_(context) {}

  // Starts whatever can be started now.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The job: checks the request first, then prepares the next message; nullopt at the end.
  void Work();
  absl::StatusOr<std::optional<grpc::ByteBuffer>> NextMessage();
  absl::Status CheckRequest();
  void EndAtOnce(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  // What is held now, after it changed.
  void Count() ABSL_LOCKS_EXCLUDED(mutex_);

  const ChunkDependencies* const dependencies_;
  OpenStreams* const open_;
  DownloadBudget* const budget_;
  grpc::CallbackServerContext* const context_;

  // Belong to the job that runs.
  grpc::ByteBuffer request_;
  bool checked_ = false;
  std::vector<ChunkId> ids_;
  size_t next_ = 0;  // in ids_

  absl::Mutex count_mutex_;  // before mutex_
  absl::Mutex mutex_;
  std::shared_ptr<DownloadStream> self_ ABSL_GUARDED_BY(mutex_);
  grpc::ByteBuffer outgoing_;  // gRPC's while writing_
  std::optional<grpc::ByteBuffer> prepared_ ABSL_GUARDED_BY(mutex_);
  absl::Time taken_at_ ABSL_GUARDED_BY(mutex_) = absl::Now();  // the peer took something
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
