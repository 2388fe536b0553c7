#include "agent/engine/early_upload.h"

#include <utility>

#include "libs/content/frame.h"

namespace filesync {
namespace {

// As much memory as reading ahead of the network may take, in pieces.
constexpr size_t kPieceBytes = 4 << 20;
constexpr int kMostPieces = 3;

}  // namespace

void EarlyUpload::Take(const ChunkRef& ref, absl::Cord plain) {
  bytes_ += plain.size();
  chunks_.push_back({ref, std::move(plain)});
  if (bytes_ >= kPieceBytes) HandOver();
}

void EarlyUpload::SkipHole() {
  if (!chunks_.empty()) HandOver();
  in_order_ = false;
}

void EarlyUpload::Finish() {
  if (!chunks_.empty()) HandOver();
}

void EarlyUpload::HandOver() {
  std::vector<ReadChunk> piece = std::exchange(chunks_, {});
  bytes_ = 0;
  {
    auto may_go = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return failed_ || handed_over_ < kMostPieces;
    };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&may_go));
    if (failed_) return;
    ++handed_over_;
  }
  lane_->Schedule(
      [self = shared_from_this(), piece = std::move(piece), in_order = in_order_]() mutable {
        if (!in_order) self->head_start_.tells = false;
        const absl::Status sent = self->uploader_->SendEarly(self->welcome_, self->path_,
                                                             std::move(piece), self->head_start_);
        absl::MutexLock lock(&self->mutex_);
        --self->handed_over_;
        // What came before stays known; Upload finds out about the rest.
        if (!sent.ok()) self->failed_ = true;
      });
}

}  // namespace filesync
