// EarlyDownload: fetches the content of large new files while their agent is still sending it, so
// that they are here soon after they are committed.
//
// It only gets a head start: nothing of it is seen in the location, and whatever becomes of it,
// Fetcher puts together what was committed. What nothing is heard of any more is dropped. Take,
// DropAll and Tick are called on the engine's thread, the rest happens on the lane.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/engine_context.h"
#include "libs/content/looks.h"
#include "libs/model/upcoming.h"

namespace filesync {

class EarlyDownload {
 public:
  // The beginning of a file.
  struct Begun {
    std::unique_ptr<StagedFile> staged;
    size_t chunks = 0;
    uint64_t bytes = 0;
    Looks looks = Looks::kBlank;  // of the first chunk
  };

  EarlyDownload(EngineContext* context, Executor* lane) : context_(context), lane_(lane) {}

  // The agent `agent_id` has so much of a file on the server.
  void Take(const std::string& agent_id, UpcomingPart part);
  // The stream is over, or what is wanted is not what it was. What is under way ends at the next
  // chunk.
  void DropAll();
  // To be called about every second.
  void Tick();

  // On the lane: what is here of a file that is to stand at `path` and is made of `chunks`. It is
  // the caller's from then on.
  std::optional<Begun> Adopt(const RelPath& path, const std::vector<ChunkRef>& chunks);
  // On the lane: gives up what is here, as its room is needed. False when there is nothing.
  bool GiveWay();

 private:
  using Key = std::pair<std::string, uint64_t>;  // agent, its transfer
  struct File {
    RelPath path;
    uint64_t size = 0;
    std::vector<ChunkRef> chunks;  // those staged
    absl::Time heard;              // when it was last told of
    Begun begun;
  };

  bool Wants(const UpcomingPart& part) const;
  void ScheduleNext(FolderId folder);
  void FetchNext(FolderId folder);
  void Fetch(FolderId folder, const Key& key, const UpcomingPart& part, uint64_t generation);
  bool Begin(const Key& key, const UpcomingPart& part);
  void ForgetIdle();
  absl::Status Append(File& file, const ChunkRef& ref, const absl::Cord& frame);

  EngineContext* const context_;
  Executor* const lane_;
  // Engine's thread.
  bool holds_some_ = false;
  absl::Time last_news_;
  // Grows when everything is dropped.
  std::atomic<uint64_t> generation_ = 0;
  // What waits for the lane; parts of one file that follow each other are joined.
  absl::Mutex mutex_;
  std::deque<std::pair<Key, UpcomingPart>> queued_ ABSL_GUARDED_BY(mutex_);
  size_t queued_chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool scheduled_ ABSL_GUARDED_BY(mutex_) = false;
  // The lane's.
  std::map<Key, File> files_;
};

}  // namespace filesync
