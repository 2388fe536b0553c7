// At a terminal, a one-shot run asks about each conflict that it holds. Keys: l(ocal), r(emote),
// b(oth), s(kip), q(uit). One thread.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "agent/engine/location_sync.h"
#include "agent/engine/sync_manager.h"

namespace filesync {

class ConflictAsker {
 public:
  // `stop_fd` turns readable when the run is to stop.
  explicit ConflictAsker(int stop_fd) : stop_fd_(stop_fd) {}

  // Somebody sits at both ends.
  static bool CanAsk();

  // Asks about what the location holds and was not asked about before. True when something was
  // decided and is to be waited for. Leaves stop_fd to be read by who made it.
  bool Ask(SyncManager& manager, const std::string& directory);

 private:
  enum class Answer { kLocal, kRemote, kBoth, kSkip, kQuit };
  Answer AskOne(const HeldConflict& held, const std::string& remote_by);
  char ReadKey();

  const int stop_fd_;
  bool quit_ = false;
  std::set<std::pair<std::string, RelPath>> asked_;  // by directory
};

}  // namespace filesync
