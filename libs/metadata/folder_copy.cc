#include "libs/metadata/folder_copy.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/metadata/commit.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/records.h"

namespace filesync {
namespace {

constexpr FolderId kFolder = 1;

// Below the first level a list's pieces are not at hand, and need not be: its chunks count as
// stored.
absl::StatusOr<std::vector<std::string>> NoPieces(const std::vector<ChunkId>&) {
  return NotFound("not read for a dry run");
}

}  // namespace

int FolderCopy::Tables() { return keys::kTables; }

absl::Status FolderCopy::Load(const std::vector<Entry>& entries, uint64_t head) {
  KvBatch batch;
  for (const Entry& entry : entries) {
    batch.Put(keys::kEntries, keys::Entry(kFolder, entry.path), records::Encode(entry, RelPath()));
  }
  head_ = std::max(head_, head);
  return kv_->Write(batch, /*synced=*/false);
}

absl::Status FolderCopy::AddMembers(const std::vector<Change>& changes) {
  KvBatch batch;
  for (const Change& change : changes) {
    for (const ChunkRef& ref : change.entry.content.refs) {
      batch.Put(keys::kMembership, keys::Member(kFolder, ref.id), "");
    }
  }
  return kv_->Write(batch, /*synced=*/false);
}

absl::StatusOr<CommitResult> FolderCopy::Commit(const std::vector<Change>& changes,
                                                int64_t now_ns) {
  FS_RETURN_IF_ERROR(AddMembers(changes));
  CommitRequest request;
  request.folder = kFolder;
  request.changes = changes;
  const ListReader lists = NoPieces;
  CommitPlan plan(kv_.get(), request, lists);
  FS_RETURN_IF_ERROR(plan.Make());
  KvBatch batch;
  for (size_t i = 0; i < plan.planned.size(); ++i) {
    if (!plan.planned[i].writes) continue;
    Entry entry = changes[i].entry;
    entry.version = ++head_;
    entry.committed_at_ns = now_ns;
    plan.outcomes[i].version = entry.version;
    batch.Put(keys::kEntries, keys::Entry(kFolder, entry.path),
              records::Encode(entry, changes[i].conflict_of));
  }
  FS_RETURN_IF_ERROR(kv_->Write(batch, /*synced=*/false));
  CommitResult result;
  result.outcomes = std::move(plan.outcomes);
  result.head_version = head_;
  return result;
}

}  // namespace filesync
