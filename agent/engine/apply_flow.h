// ApplyFlow: the way of a remote change: slice → plan → fetch → install → record.
//
// Invariants: an entry is either applied and in the base, or kept in the state's remote rows,
// before the cursor passes it; base rows, remote rows and cursor are written in one transaction
// after what they stand for is durable on disk. Rounds are recorded in the order they came.
// Only what is sure is applied here (the local side is unchanged, absent or equal); everything
// else becomes a dirty path, which the commit flow decides. Engine's thread; fetching runs on
// two lanes (many small files, single large ones).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "agent/engine/early_download.h"
#include "agent/engine/engine_context.h"
#include "agent/engine/fetcher.h"
#include "agent/engine/incoming_gate.h"
#include "agent/engine/situation.h"

namespace filesync {

class ApplyFlow {
 public:
  ApplyFlow(EngineContext* context, IncomingGate* gate, Executor* lane, Executor* large_lane);

  // A slice from the server.
  void AddSlice(RemoteSlice slice);
  // Decisions of the commit flow that are to be applied here; their paths are claimed.
  void Apply(std::vector<Situation> situations);
  // What others send and did not commit yet.
  EarlyDownload& early() { return early_; }
  // Starts and finishes what can be. True when something moved.
  bool Step();
  // Keeps what arrives in the remote rows without deciding anything, while true.
  void SetStashing(bool stashing) { stashing_ = stashing; }
  // What was received and is not recorded belongs to a stream that is gone: it comes again.
  void DropSlices();
  // Called whenever a slice leaves the queue.
  void OnSliceStarted(std::function<void()> callback) { slice_started_ = std::move(callback); }

  bool Idle() const {
    return slices_.empty() && rounds_.empty() && large_.empty() && joined_.entries.empty();
  }
  // What was received is in the base or in the remote rows.
  bool SlicesDone() const { return slices_.empty() && rounds_.empty() && joined_.entries.empty(); }
  size_t waiting_slices() const { return slices_.size(); }

 private:
  struct Item;
  struct Round;
  using RoundPtr = std::shared_ptr<Round>;

  bool StartSlice();
  absl::Status Stash(const RemoteSlice& slice);
  std::vector<Entry> Visible(const std::vector<Entry>& entries);
  void PlanEntry(const Entry& entry, Round& round);
  void StartFetching(RoundPtr round);
  bool AddFetch(Item& item, Round& round);
  void StartLarge(const Situation& situation);
  void FinishLarge(const RelPath& path, FetchItem item);
  void Finish(Round& round);
  bool IsUnrelated(const Item& item, const Round& round) const;
  bool GoesUnasked(const Situation& situation, HeldRow::Loss loss, Winner winner, bool few);
  bool MayBecomeEmpty(const RelPath& directory, const Round& round) const;
  void ReleaseAll(const Round& round);
  absl::Status Record(Round& round);

  EngineContext* const context_;
  IncomingGate* const gate_;
  Executor* const lane_;
  Executor* const large_lane_;
  Fetcher fetcher_;
  EarlyDownload early_;
  Fetcher large_fetcher_;
  std::deque<RemoteSlice> slices_;
  RemoteSlice joined_;  // slices of one commit with moves, collected until it is whole
  std::deque<RoundPtr> rounds_;
  std::set<RelPath> large_;  // being fetched on the large lane
  std::map<RelPath, FetchItem> large_ready_;
  bool stashing_ = false;
  std::function<void()> slice_started_;
};

}  // namespace filesync
