#include "agent/engine/file_preparer.h"

#include <cerrno>
#include <utility>

#include "agent/engine/read_window.h"
#include "libs/base/status.h"
#include "libs/base/zeros.h"
#include "libs/chunking/fast_cdc.h"
#include "libs/chunking/zero_run.h"
#include "libs/content/hasher.h"

namespace filesync {
namespace {

// How much is held of a file while it is cut: alone, and where others share what was read. Then
// each piece begins with a copy of what was left of the one before.
constexpr size_t kPieceSize = 1 << 20;
constexpr size_t kSharedSize = 4 << 20;
constexpr size_t kLargestKept = 4 << 20;
// Two ticks of the slowest common kernel clock (100 Hz).
constexpr absl::Duration kRacyWindow = absl::Milliseconds(20);
// One write(2) stamps the file when it begins and may still be copying: with a writer present,
// a stamp this young may belong to a write in progress.
constexpr absl::Duration kYoungStamp = absl::Milliseconds(150);

// From this attempt on, a file that is written all the time is taken as it was at one moment.
constexpr int kPatientAttempts = 3;

PreparedFile Outcome(PreparedFile::Kind kind, absl::Status why = absl::OkStatus()) {
  PreparedFile prepared;
  prepared.kind = kind;
  prepared.why = std::move(why);
  return prepared;
}

// Adds the chunks of holes without reading them, just as reading would have cut them.
class HoleSkipper {
 public:
  HoleSkipper(LocalFile& file, uint64_t file_size, const ChunkSizes& sizes, ContentBuilder& builder,
              ChunkSink* sink)
      : file_(file), file_size_(file_size), sizes_(sizes), builder_(builder), sink_(sink) {}

  // `rest` was read at `position`, where a chunk begins. How many bytes need not be read: whole
  // chunks, and 0 when there is no such hole.
  uint64_t Skip(uint64_t position, std::string_view rest) {
    // Holes begin with zeros, and hardly anything else does.
    if (rest.size() < kProbe || !IsAllZero(rest.substr(0, kProbe))) return 0;
    const uint64_t end = std::min(file_.NextData(position), file_size_);
    const ChunkRef& zeros = ZeroChunk(sizes_);
    uint64_t skipped = 0;
    while (end - position - skipped >= sizes_.max()) {
      builder_.Add(zeros);
      skipped += zeros.size;
    }
    if (skipped > 0 && sink_ != nullptr) sink_->SkipHole();
    if (skipped > 0 && !std::exchange(told_, true) && sink_ != nullptr) {
      sink_->Take(zeros, absl::Cord(ToAbsl(ZeroChunkBytes(sizes_))));
    }
    return skipped;
  }

 private:
  static constexpr size_t kProbe = 4096;
  LocalFile& file_;
  const uint64_t file_size_;
  const ChunkSizes sizes_;
  ContentBuilder& builder_;
  ChunkSink* const sink_;
  bool told_ = false;
};

absl::Time LastTouched(const Fingerprint& fingerprint) {
  return absl::FromUnixNanos(std::max(fingerprint.mtime_ns, fingerprint.ctime_ns));
}

}  // namespace

PreparedFile FilePreparer::Prepare(const PrepareRequest& request,
                                   std::atomic<int64_t>& keep_budget) {
  absl::StatusOr<std::unique_ptr<LocalFile>> file = location_->Open(request.path);
  if (!file.ok()) {
    const int error = ErrnoOf(file.status());
    const bool gone = absl::IsNotFound(file.status()) || absl::IsInvalidArgument(file.status()) ||
                      error == ENOTDIR || error == ELOOP;
    return Outcome(gone ? PreparedFile::Kind::kGone : PreparedFile::Kind::kFailed, file.status());
  }
  absl::StatusOr<Fingerprint> before = (*file)->Stat();
  if (!before.ok()) return Outcome(PreparedFile::Kind::kFailed, before.status());
  const absl::Duration age = clock_->Now() - LastTouched(*before);
  bool suspect = age < kYoungStamp && age > -kYoungStamp && (*file)->HasWriters();
  const int busy_attempts = request.busy_attempts;
  if (suspect && busy_attempts < kPatientAttempts) return Outcome(PreparedFile::Kind::kBusy);
  if (!location_->HasFineGrainedTimes() && age < kRacyWindow && age >= absl::ZeroDuration()) {
    clock_->Sleep(kRacyWindow - age);
    before = (*file)->Stat();
    if (!before.ok()) return Outcome(PreparedFile::Kind::kFailed, before.status());
  }

  (*file)->AwaitWrites();

  const uint32_t average =
      request.exact ? request.previous_average
                    : ChunkSizes::ForFileSize(before->size, request.previous_average).average;
  PreparedFile prepared;
  bool keep = false;
  if (before->size <= kLargestKept) {
    keep = keep_budget.fetch_sub(static_cast<int64_t>(before->size)) >=
           static_cast<int64_t>(before->size);
  }
  ChunkSink* const sink =
      request.sink != nullptr && !suspect && !(*file)->HasWriters() ? request.sink : nullptr;
  if (absl::Status read = Read(**file, *before, average, keep, sink, prepared); !read.ok()) {
    if (absl::IsAborted(read)) return Outcome(PreparedFile::Kind::kBusy, read);
    return Outcome(PreparedFile::Kind::kFailed, read);
  }
  const absl::StatusOr<Fingerprint> after = (*file)->Stat();
  if (!after.ok()) return Outcome(PreparedFile::Kind::kFailed, after.status());
  suspect = suspect || *after != *before;
  if (suspect &&
      (busy_attempts < kPatientAttempts || !ReadsTheSame(**file, *before, prepared.content))) {
    return Outcome(PreparedFile::Kind::kBusy);
  }
  const absl::StatusOr<bool> same_name = (*file)->NameIsStillThis();
  if (!same_name.ok()) return Outcome(PreparedFile::Kind::kFailed, same_name.status());
  if (!*same_name) return Outcome(PreparedFile::Kind::kGone);
  const absl::StatusOr<uint32_t> mode = (*file)->Mode();
  if (!mode.ok()) return Outcome(PreparedFile::Kind::kFailed, mode.status());
  prepared.kind = PreparedFile::Kind::kReady;
  // Of a file that grew meanwhile, what it was before: so it is looked at again.
  prepared.fingerprint = *before;
  prepared.metadata = {*mode, (*file)->LookAtAttributes()};
  return prepared;
}

// Reads that part again a little later: a write in progress would show.
bool FilePreparer::ReadsTheSame(LocalFile& file, const Fingerprint& before,
                                const Content& content) {
  clock_->Sleep(kRacyWindow);
  file.AwaitWrites();
  PreparedFile again;
  const absl::StatusOr<Fingerprint> now = file.Stat();
  return now.ok() && now->size >= before.size &&
         Read(file, before, content.average_size, /*keep=*/false, nullptr, again).ok() &&
         again.content.hash == content.hash;
}

absl::Status FilePreparer::Read(LocalFile& file, const Fingerprint& before, uint32_t average,
                                bool keep, ChunkSink* sink, PreparedFile& prepared) {
  const ChunkSizes sizes{average};
  ContentBuilder builder(average);
  HoleSkipper holes(file, before.size, sizes, builder, sink);
  // Holds what is read at once and what is left of a chunk.
  const size_t least =
      std::max<size_t>(sink != nullptr ? kSharedSize : kPieceSize, 2 * sizes.max());
  const size_t capacity = std::min<uint64_t>(before.size, keep ? kLargestKept : least);
  ReadWindow window(capacity, /*shared=*/sink != nullptr);
  uint64_t offset = 0;
  while (offset < before.size || !window.unused().empty()) {
    const std::string_view rest = window.unused();
    if (rest.size() < sizes.max() && offset < before.size) {
      FS_ASSIGN_OR_RETURN(const size_t got, window.Read(file, offset, before.size - offset));
      if (got == 0) return Aborted("it became shorter while it was read");
      offset += got;
      continue;
    }
    const uint64_t position = offset - rest.size();
    if (const uint64_t hole = keep ? 0 : holes.Skip(position, rest); hole > 0) {
      offset = position + hole;
      window.Drop();
      continue;
    }
    const size_t length = FirstChunkLength(rest, sizes);
    const std::string_view plain = rest.substr(0, length);
    if (builder.size() == 0) prepared.looks = LookAtBytes(plain);
    const ChunkRef ref{HashChunk(ChunkKind::kData, plain), static_cast<uint32_t>(length)};
    builder.Add(ref);
    if (sink != nullptr) sink->Take(ref, window.Share(length));
    window.Use(length);
  }
  bytes_hashed_ += before.size;
  FS_ASSIGN_OR_RETURN(prepared.content, builder.Finish(prepared.pieces));
  prepared.chunks = builder.chunks();
  if (keep && window.HasAll()) prepared.bytes = window.TakeAll();
  return absl::OkStatus();
}

}  // namespace filesync
