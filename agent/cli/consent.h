// At a terminal, a run asks before one side is made to win over the other: about what that costs,
// once for each directory. One thread.
#pragma once

#include <set>
#include <string>

#include "agent/engine/sync_manager.h"

namespace filesync {

class ConsentAsker {
 public:
  // `stop_fd` turns readable when the run is to stop.
  explicit ConsentAsker(int stop_fd) : stop_fd_(stop_fd) {}

  // There is something to ask that was not asked before.
  bool Wants(const std::string& directory, const SyncStatus& status) const;
  // Says what is at stake and waits for an answer; anything but yes is no. True when the person
  // agreed, and what was held goes on. Leaves stop_fd to be read by who made it; then it was no
  // answer.
  bool Ask(SyncManager& manager, const std::string& directory, const SyncStatus& status);

 private:
  enum class Answer : uint8_t { kYes, kNo, kStop };
  Answer ReadAnswer() const;

  const int stop_fd_;
  std::set<std::string> asked_;  // directories
};

}  // namespace filesync
