#include "services/syncd/pulse.h"

#include <gtest/gtest.h>

#include <deque>

namespace filesync {
namespace {

// Runs what is scheduled when it is told to.
class HeldExecutor final : public Executor {
 public:
  void Schedule(Task task) override { tasks_.push_back(std::move(task)); }
  void RunAll() {
    while (!tasks_.empty()) {
      tasks_.front()();
      tasks_.pop_front();
    }
  }
  size_t waiting() const { return tasks_.size(); }

 private:
  std::deque<Task> tasks_;
};

TEST(PulseTest, BeatsWhileAllExecutorsMove) {
  HeldExecutor one;
  HeldExecutor two;
  Pulse pulse({&one, &two});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(pulse.Beat());
    one.RunAll();
    two.RunAll();
  }
}

TEST(PulseTest, OneStuckExecutorStopsItUntilItMoves) {
  HeldExecutor one;
  HeldExecutor two;
  Pulse pulse({&one, &two});
  EXPECT_TRUE(pulse.Beat());
  one.RunAll();
  EXPECT_FALSE(pulse.Beat());
  EXPECT_FALSE(pulse.Beat());
  EXPECT_EQ(one.waiting(), 0);
  EXPECT_EQ(two.waiting(), 1) << "a stuck executor is not given more and more";
  two.RunAll();
  EXPECT_TRUE(pulse.Beat());
}

TEST(PulseTest, TasksMayOutliveIt) {
  HeldExecutor one;
  {
    Pulse pulse({&one});
    EXPECT_TRUE(pulse.Beat());
  }
  one.RunAll();
}

}  // namespace
}  // namespace filesync
