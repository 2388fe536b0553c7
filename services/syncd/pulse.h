// Pulse: whether the threads that do the server's work still get through it. Thread-compatible.
//
// Invariant: each executor has at most one task of this at a time, however long it is stuck.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "libs/base/executor.h"

namespace filesync {

class Pulse {
 public:
  // The executors must outlive their tasks, as they always do, but not this.
  explicit Pulse(std::vector<Executor*> executors);

  // Sends a task through each executor once the one before came through. True when all that were
  // sent by the last call that returned true, or by the first call, have been run.
  bool Beat();

 private:
  const std::vector<Executor*> executors_;
  // Tasks that are on their way; they may end after this does.
  std::shared_ptr<std::atomic<size_t>> under_way_;
};

}  // namespace filesync
