// ControlStreams: the control socket's connections that stay: each gets a thread that sends what
// comes to its reader of the feed. One that reads slowly waits alone. Thread-compatible: the
// control server's thread.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <thread>

#include "agent/cli/event_feed.h"
#include "agent/engine/sync_status.h"
#include "libs/base/unique_fd.h"

namespace filesync {

class ControlStreams {
 public:
  static constexpr size_t kMost = 16;

  // `feed` must outlive it.
  explicit ControlStreams(EventFeed* feed);
  ~ControlStreams();  // ends all

  // Takes the connection over if it succeeds, and leaves it otherwise. ResourceExhausted: there are
  // too many. `now`: how the location stands, which is told first.
  absl::Status Serve(UniqueFd& peer, const control::v1::EventsRequest& request,
                     const SyncStatus& now);

 private:
  class Stream;
  EventFeed* const feed_;
  std::list<std::unique_ptr<Stream>> streams_;
};

}  // namespace filesync
