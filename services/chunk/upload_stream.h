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
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/wire/chunk_messages.h"
#include "services/chunk/chunk_dependencies.h"

namespace filesync {

class UploadStream;

// The uploads that there are. Agents keep them open between files. Thread-safe.
class OpenUploads {
 public:
  void Add(const std::shared_ptr<UploadStream>& stream);
  void Remove(const UploadStream* stream);
  // Ends them, and those that come later, as soon as they are idle.
  void Drain();

 private:
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const UploadStream*, std::weak_ptr<UploadStream>> streams_
      ABSL_GUARDED_BY(mutex_);
};

class UploadStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public std::enable_shared_from_this<UploadStream> {
 public:
  // `dependencies` must outlive the stream.
  static UploadStream* Start(const ChunkDependencies* dependencies, OpenUploads* open,
                             grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  // Ends when what came is stored and acknowledged: the server stops.
  void GoAway();

 private:
  UploadStream(const ChunkDependencies* dependencies, OpenUploads* open,
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
  OpenUploads* const open_;

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
