// Executor: where work that may block runs. Thread-safe.
//
// Whoever schedules bounds what it schedules (a stream has at most one job in flight), so
// the queue itself never makes a caller wait: gRPC reactions may schedule from a callback.
#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace filesync {

class Executor {
 public:
  using Task = absl::AnyInvocable<void()>;
  virtual ~Executor() = default;
  virtual void Schedule(Task task) = 0;
};

// Runs each task where it is scheduled; for tests and the simulation.
class InlineExecutor final : public Executor {
 public:
  void Schedule(Task task) override { task(); }
};

// A fixed number of threads. The destructor runs what is queued, then joins.
class ThreadPool final : public Executor {
 public:
  // `name` (at most 12 bytes) is what the threads are called in ps and gdb.
  ThreadPool(std::string name, int threads);
  ~ThreadPool() override;
  void Schedule(Task task) override;

 private:
  void Run();

  absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace filesync
