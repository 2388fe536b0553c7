// EarlyUpload: sends a large new file's chunks while the rest of it is still being cut, so that it
// is read only once and both take place at the same time.
//
// It is only a head start: whatever becomes of it, Uploader::Upload sees to it that everything
// that is committed is on the server. Take and Finish are called on the reading thread, the rest
// happens on the lane.
#pragma once

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/file_preparer.h"
#include "agent/engine/uploader.h"

namespace filesync {

class EarlyUpload final : public ChunkSink, public std::enable_shared_from_this<EarlyUpload> {
 public:
  // `uploader` belongs to `lane`; both must outlive it.
  // `size`: the file's, in bytes, as far as known.
  EarlyUpload(Uploader* uploader, Executor* lane, WelcomeInfo welcome, RelPath path, uint64_t size)
      : uploader_(uploader), lane_(lane), welcome_(std::move(welcome)), path_(std::move(path)) {
    head_start_.size = size;
  }

  void Take(const ChunkRef& ref, absl::Cord plain) override;
  void SkipHole() override;
  // Hands over what is left; called once, after the last Take.
  void Finish();

  // On the lane only, after Finish.
  const HeadStart& head_start() const { return head_start_; }

 private:
  void HandOver();

  Uploader* const uploader_;
  Executor* const lane_;
  const WelcomeInfo welcome_;
  const RelPath path_;
  std::vector<ReadChunk> chunks_;
  size_t bytes_ = 0;
  bool in_order_ = true;  // what comes follows what came
  HeadStart head_start_;
  absl::Mutex mutex_;
  int handed_over_ ABSL_GUARDED_BY(mutex_) = 0;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace filesync
