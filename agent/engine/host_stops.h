// HostStops: tells whether the host stopped under a running agent, without its file systems being
// brought to rest, and which files that damaged.
//
// A power cut loses what a file system had not written yet: a file that was in step may come back
// shorter, empty or with zeros at its end, under the time of its last save, or not at all. That is
// no edit and no deletion, and must not go to others. Engine's thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "agent/engine/situation.h"
#include "agent/engine/state/state.h"
#include "libs/location/location.h"

namespace filesync {

class HostStops {
 public:
  // Notes that an agent runs in this boot of the host. `state` must outlive this.
  absl::Status Begin(State* state);
  // The host stopped so, and not all was looked at since.
  bool suspects() const { return suspects_; }
  // The agent that ran last did not end by itself: what it had just installed it may not have
  // noted.
  bool agent_died() const { return agent_died_; }
  // All that was there was looked at.
  absl::Status Checked();
  // The agent ends by itself.
  absl::Status End();

 private:
  State* state_ = nullptr;
  std::string boot_;  // "": it can't be told
  bool suspects_ = false;
  bool agent_died_ = false;
};

// What was in step is missing, and neither the folder nor a person has said anything of it since.
bool IsLost(const EngineContext& context, const Situation& situation);

// The local file, whose content was read, is what a host that stops makes of one in step.
bool IsDamaged(const Situation& situation, Location& location);

}  // namespace filesync
