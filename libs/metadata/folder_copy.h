// FolderCopy: a folder's entries in memory, which takes commits as the server would: the same
// plan decides about them. For dry runs. Thread-compatible.
//
// Invariant: a version above `head` is given out only by Commit.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/metadata/metadata_store.h"

namespace filesync {

class FolderCopy {
 public:
  FolderCopy() : kv_(NewMemoryKvStore(Tables())) {}

  // Takes over what the folder holds, tombstones included; `head`: published then.
  absl::Status Load(const std::vector<Entry>& entries, uint64_t head);

  // What the commit would come to. All chunks of its contents count as stored. Nothing of it is
  // remembered as a batch: the same changes again are superseded or already so.
  absl::StatusOr<CommitResult> Commit(const std::vector<Change>& changes, int64_t now_ns);

  uint64_t head() const { return head_; }

 private:
  static int Tables();
  absl::Status AddMembers(const std::vector<Change>& changes);

  const std::unique_ptr<KvStore> kv_;
  uint64_t head_ = 0;
};

}  // namespace filesync
