// UploadStream: one UploadChunks call.
//
// Reactions never block: verifying and storing are jobs on the executor, one at a time. One
// message is read ahead while a job runs; acknowledgements say how far it got, so several may
// become one. Life: owns itself until OnDone; a job holds a reference. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/wire/chunk_messages.h"
#include "services/chunk/chunk_dependencies.h"
#include "services/chunk/open_streams.h"

namespace filesync {

class UploadStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public OpenStreams::Stream,
                           public std::enable_shared_from_this<UploadStream> {
 public:
  // `dependencies` and `open` must outlive the stream.
  static UploadStream* Start(const ChunkDependencies* dependencies, OpenStreams* open,
                             grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  // When what came is stored and acknowledged.
  void GoAway() override;

 private:
  UploadStream(const ChunkDependencies* dependencies, OpenStreams* open,
               grpc::CallbackServerContext* context)
      : dependencies_(dependencies), open_(open), context_(context) {}

  // Starts whatever can be started now.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked(const absl::Status& status, bool at_once) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The job.
  void Work(const grpc::ByteBuffer& incoming);
  absl::Status Store(const grpc::ByteBuffer& incoming);
  absl::Status CheckOrder(const ChunkUploadMessage& message);
  absl::Status Count(const std::vector<StoredChunk>& chunks);

  const ChunkDependencies* const dependencies_;
  OpenStreams* const open_;

  // Belong to the job that runs.
  FolderId folder_ = 0;
  std::string agent_id_;
  uint64_t sequence_ = 0;

  absl::Mutex mutex_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<UploadStream> self_ ABSL_GUARDED_BY(mutex_);
  grpc::ByteBuffer incoming_;  // gRPC's while reading_, else guarded
  grpc::ByteBuffer acknowledgement_;
  uint64_t stored_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool message_waits_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_at_once_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
