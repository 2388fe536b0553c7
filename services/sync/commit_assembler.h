// CommitAssembler: puts the messages of one batch together, within the limits of a batch.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "filesync/v1/sync.pb.h"
#include "libs/chunk_store/chunk_store.h"
#include "libs/model/entry.h"

namespace filesync {

struct CommitBatch {
  uint64_t number = 0;
  std::vector<Change> changes;
  // Why its inline chunks could not be stored: it is not to be committed.
  absl::Status refused;
};

class CommitAssembler {
 public:
  // Takes one message and returns its inline chunks, to be stored before the batch is
  // committed. InvalidArgument when it is malformed or breaks into another batch,
  // ResourceExhausted when the batch grows too large; the assembler is of no use after either.
  absl::StatusOr<std::vector<StoredChunk>> Add(v1::Commit&& message);
  // The rest of the batch is read all the same, and Take returns it with this status.
  void Refuse(absl::Status why);
  // True when the last message of a batch has been added: Take it before the next Add.
  bool complete() const { return complete_; }
  CommitBatch Take();

 private:
  CommitBatch batch_;
  size_t bytes_ = 0;
  bool started_ = false;
  bool complete_ = false;
};

}  // namespace filesync
