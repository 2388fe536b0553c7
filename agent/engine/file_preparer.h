// FilePreparer: what a local file is made of: reads it once, cuts it into chunks, hashes them.
//
// Invariant (ordering.md's rule 1, in short): the content it returns existed as a whole at one
// moment. The file's stat before and after reading must agree, be old enough to tell a later
// write apart, and the name must still lead to the file that was read. A file that never holds
// still because it grows is taken as long as it was when it was first looked at, if that part
// reads the same twice. Thread-safe.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/chunking/content_list.h"
#include "libs/content/looks.h"
#include "libs/location/location.h"

namespace filesync {

struct PreparedFile {
  enum class Kind : uint8_t {
    kReady,
    kBusy,    // it is being written: look again later
    kGone,    // it is not there (any more), or no regular file: look again now
    kFailed,  // `why`
  };
  Kind kind = Kind::kFailed;
  absl::Status why;
  Fingerprint fingerprint;
  LocalMetadata metadata;
  Content content;
  Looks looks = Looks::kBlank;  // of the content
  std::vector<ListPiece> pieces;
  std::vector<ChunkRef> chunks;  // the data chunks, in order
  absl::Cord bytes;              // the whole file, when it was small enough to keep
};

// Sees a file's chunks while the file is read, in order; that of its holes once. Called on the
// reading thread.
class ChunkSink {
 public:
  virtual ~ChunkSink() = default;
  // May block, which slows the reading down. `plain` shares what was read, a few MiB at a time,
  // which is kept as long as any of it is held.
  virtual void Take(const ChunkRef& ref, absl::Cord plain) = 0;
  // What follows lies behind a hole.
  virtual void SkipHole() = 0;
};

struct PrepareRequest {
  RelPath path;
  uint32_t previous_average = 0;  // the chunk-size class of the content it had; 0: none
  bool exact = false;             // use that class whatever the size, to compare contents
  int busy_attempts = 0;          // how often it was found being written before
  // Sees the chunks of a file that nobody has open for writing; null: nobody does. What it saw
  // may turn out not to be the file's.
  ChunkSink* sink = nullptr;
};

class FilePreparer {
 public:
  FilePreparer(Location* location, Clock* clock) : location_(location), clock_(clock) {}

  // The bytes are kept when they fit into what is left of `keep_budget` (bytes), which they are
  // then taken from.
  PreparedFile Prepare(const PrepareRequest& request, std::atomic<int64_t>& keep_budget);

  uint64_t BytesHashed() const { return bytes_hashed_; }

 private:
  bool ReadsTheSame(LocalFile& file, const Fingerprint& before, const Content& content);
  absl::Status Read(LocalFile& file, const Fingerprint& before, uint32_t average, bool keep,
                    ChunkSink* sink, PreparedFile& prepared);

  Location* const location_;
  Clock* const clock_;
  std::atomic<uint64_t> bytes_hashed_ = 0;
};

}  // namespace filesync
