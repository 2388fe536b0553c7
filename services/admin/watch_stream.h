// WatchStream: one WatchEvents call.
//
// What is committed is read from the store at the reader's pace, from a cursor; who connects
// and disconnects, and what is held for people, waits in a short queue that loses its oldest when
// the reader is too slow.
// Reactions never block: reading is a job on the executor. Life: owns itself until OnDone; a
// job holds a reference. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/admin/admin_service.h"

namespace filesync {

class WatchStream final : public grpc::ServerWriteReactor<v1::WatchEventsResponse>,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // `dependencies` must outlive the stream.
  static std::shared_ptr<WatchStream> Start(const AdminDependencies* dependencies,
                                            grpc::CallbackServerContext* context,
                                            std::string folder);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // Ends the stream at once.
  void End(const absl::Status& status);

 private:
  WatchStream(const AdminDependencies* dependencies, grpc::CallbackServerContext* context,
              std::string folder)
      : dependencies_(dependencies), folder_name_(std::move(folder)), context_(context) {}

  void EndLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts whatever can be started now.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The job: finds the folder first, then reads the next entries.
  void Work();
  absl::Status Open();
  void OnSession(const SessionInfo& session, bool connected);
  void OnConflicts(const ConflictNews& news);
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);

  const AdminDependencies* const dependencies_;
  const std::string folder_name_;

  // Belong to the job that runs, and to Leave after the last one.
  FolderId folder_ = 0;
  std::unique_ptr<Hub::Subscription> subscription_;
  uint64_t observer_ = 0;
  uint64_t conflict_observer_ = 0;

  absl::Mutex mutex_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<WatchStream> self_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::WatchEventsResponse> entries_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::WatchEventsResponse> sessions_ ABSL_GUARDED_BY(mutex_);
  v1::WatchEventsResponse outgoing_;  // gRPC's while writing_
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  uint64_t head_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t cursor_ ABSL_GUARDED_BY(mutex_) = 0;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
