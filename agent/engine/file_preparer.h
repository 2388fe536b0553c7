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
  uint32_t mode = 0;
  Content content;
  std::vector<ListPiece> pieces;
  std::vector<ChunkRef> chunks;  // the data chunks, in order
  std::string bytes;             // the whole file, when it was small enough to keep
};

class FilePreparer {
 public:
  FilePreparer(Location* location, Clock* clock) : location_(location), clock_(clock) {}

  // `previous_average`: the chunk-size class of the content it had (0: none). `exact`: use that
  // class whatever the size, to compare with a content that was cut so. The bytes are kept when
  // they fit into what is left of `keep_budget` (bytes), which they are then taken from.
  // `busy_attempts`: how often it was found being written before.
  PreparedFile Prepare(const RelPath& path, uint32_t previous_average, bool exact,
                       int busy_attempts, std::atomic<int64_t>& keep_budget);

  uint64_t BytesHashed() const { return bytes_hashed_; }

 private:
  bool ReadsTheSame(LocalFile& file, const Fingerprint& before, const Content& content);
  absl::Status Read(LocalFile& file, const Fingerprint& before, uint32_t average, bool keep,
                    PreparedFile& prepared);

  Location* const location_;
  Clock* const clock_;
  std::atomic<uint64_t> bytes_hashed_ = 0;
};

}  // namespace filesync
