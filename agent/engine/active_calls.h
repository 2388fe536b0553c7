// ActiveCalls: the calls of a link that are under way, so that a stopping agent can end them.
// Thread-safe.
#pragma once

#include <grpcpp/client_context.h>

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace filesync {

class ActiveCalls {
 public:
  void Add(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    contexts_.insert(context);
    if (shut_down_) context->TryCancel();
  }
  void Remove(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    contexts_.erase(context);
  }
  void Shutdown() {
    absl::MutexLock lock(&mutex_);
    shut_down_ = true;
    for (grpc::ClientContext* context : contexts_) context->TryCancel();
  }

 private:
  absl::Mutex mutex_;
  std::set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

// A call's context, known to ActiveCalls while it lives.
class CallContext {
 public:
  explicit CallContext(ActiveCalls* calls) : calls_(calls) { calls_->Add(&context_); }
  ~CallContext() { calls_->Remove(&context_); }
  CallContext(const CallContext&) = delete;
  grpc::ClientContext* get() { return &context_; }
  grpc::ClientContext* operator->() { return &context_; }

 private:
  ActiveCalls* const calls_;
  grpc::ClientContext context_;
};

}  // namespace filesync
