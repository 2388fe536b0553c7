// Sessions: which agents are connected, how far they are, and who wants to hear of it.
//
// At most one session per (folder, agent id): the newest wins, because an agent that comes back
// must not wait until its old, half-open stream is noticed. Thread-safe; calls its callbacks
// outside its lock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "filesync/v1/sync.pb.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

struct SessionInfo {
  FolderId folder = 0;
  std::string folder_name;
  std::string agent_id;
  std::string agent_name;
  std::string software;
  std::string address;
  Cursor applied;  // what the agent has made durable
  absl::Time last_seen;
};

// The stream behind a session.
class SessionControl {
 public:
  virtual ~SessionControl() = default;
  // Ends the stream at once with `status`. Must not block.
  virtual void End(const absl::Status& status) = 0;
  // Asks the agent to come back after `reconnect_after`, finishes the commit that is being
  // worked on, then ends the stream. Must not block.
  virtual void GoAway(absl::Duration reconnect_after) = 0;
  // Tells the agent the folder's rules. Must not block.
  virtual void TellRules(const std::string& rules) = 0;
  // Tells the agent what another one is sending, if it asked for that and reads fast enough. Must
  // not block.
  virtual void TellUpcoming(std::shared_ptr<const v1::UpcomingContent> upcoming) = 0;
};

class Sessions {
 public:
  // `connected` false: the session has ended. Must not block.
  using Observer = std::function<void(const SessionInfo& session, bool connected)>;

  // Registers a session; ends the one that the same agent had in this folder. The result names
  // it for the other calls.
  uint64_t Open(SessionInfo info, std::weak_ptr<SessionControl> control);
  void SetApplied(uint64_t key, const Cursor& cursor, absl::Time now);
  void Close(uint64_t key);

  // Of one folder; 0: of all.
  std::vector<SessionInfo> List(FolderId folder) const;
  size_t Count() const;
  // This session was opened, and neither replaced nor closed.
  bool Has(uint64_t key) const;
  bool IsConnected(FolderId folder, const std::string& agent_id) const;
  // Calls `visit` for the stream of each session there is now.
  void ForEachControl(const std::function<void(SessionControl&)>& visit);
  // The same of one folder's.
  void ForEachControl(FolderId folder, const std::function<void(SessionControl&)>& visit);
  // Tells all agents of the folder but the one that sends it.
  void TellUpcoming(FolderId folder, v1::UpcomingContent upcoming);

  uint64_t AddObserver(FolderId folder, Observer observer);
  // Waits for a call that is being made; after it, no other follows.
  void RemoveObserver(uint64_t key);

 private:
  struct Slot {
    SessionInfo info;
    std::weak_ptr<SessionControl> control;
  };
  void Announce(const SessionInfo& info, bool connected) ABSL_LOCKS_EXCLUDED(observer_mutex_);

  mutable absl::Mutex mutex_;
  uint64_t next_key_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, Slot> slots_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::pair<FolderId, std::string>, uint64_t> by_agent_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex observer_mutex_;
  uint64_t next_observer_ ABSL_GUARDED_BY(observer_mutex_) = 1;
  absl::flat_hash_map<uint64_t, std::pair<FolderId, Observer>> observers_
      ABSL_GUARDED_BY(observer_mutex_);
};

}  // namespace filesync
