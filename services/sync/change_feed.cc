#include "services/sync/change_feed.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "libs/base/status.h"
#include "libs/wire/convert.h"

namespace filesync {

void VersionSet::Add(uint64_t version) {
  if (!ranges_.empty() && version <= ranges_.back().second + 1) {
    // An equal state that was there before keeps its old version: already sent, or forgotten.
    if (version == ranges_.back().second + 1) ++ranges_.back().second;
    return;
  }
  ranges_.emplace_back(version, version);
}

bool VersionSet::Contains(uint64_t version) const {
  for (const auto& [first, last] : ranges_) {
    if (version < first) return false;
    if (version <= last) return true;
  }
  return false;
}

void VersionSet::ForgetThrough(uint64_t version) {
  while (!ranges_.empty() && ranges_.front().second <= version) ranges_.pop_front();
}

ChangeFeed::ChangeFeed(MetadataStore* metadata, ChunkStore* chunks, Options options, uint64_t head)
    : metadata_(metadata),
      chunks_(chunks),
      options_(std::move(options)),
      first_head_(head),
      cursor_(options_.after) {}

absl::StatusOr<std::optional<ChangeFeed::Message>> ChangeFeed::Next() {
  FS_ASSIGN_OR_RETURN(const ChangeSlice slice,
                      metadata_->ChangesSince(options_.folder, cursor_, options_.max_entries,
                                              options_.max_bytes, [this](const Entry& entry) {
                                                return entry.author == options_.agent_id &&
                                                       own_.Contains(entry.version);
                                              }));
  if (slice.through <= cursor_) return std::nullopt;
  Message message;
  v1::Changes& changes = message.changes;
  std::vector<const Entry*> sent;
  for (const Entry& entry : slice.entries) {
    ToProto(entry, changes.add_entries());
    sent.push_back(&entry);
    if (entry.version > first_head_) message.committed_at_ns = entry.committed_at_ns;
  }
  if (options_.inline_chunks) FS_RETURN_IF_ERROR(AttachInlineChunks(sent, changes));
  ToProto(Cursor{options_.incarnation, slice.through}, changes.mutable_through());
  changes.set_head_version(slice.head);
  changes.set_more_of_commit(slice.more_of_commit);
  cursor_ = slice.through;
  own_.ForgetThrough(cursor_);
  return message;
}

// First come, first served: whole files only, while they fit.
absl::Status ChangeFeed::AttachInlineChunks(const std::vector<const Entry*>& entries,
                                            v1::Changes& changes) {
  std::vector<ChunkId> ids;
  absl::flat_hash_set<ChunkId> seen;
  size_t budget = kMaxInlineBytes;
  for (const Entry* entry : entries) {
    const Content& content = entry->content;
    if (entry->type != EntryType::kFile || content.depth != 0 || content.size == 0) continue;
    // A receiver has what was moved.
    if (!entry->moved_from.IsRoot()) continue;
    if (content.size > budget) continue;
    budget -= content.size;
    for (const ChunkRef& ref : content.refs) {
      if (seen.insert(ref.id).second) ids.push_back(ref.id);
    }
  }
  if (ids.empty()) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(auto frames, chunks_->Get(ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    // What is not there the agent finds out when it asks for it.
    if (!frames[i].has_value()) continue;
    ToProto(StoredChunk{ids[i], ChunkKind::kData, *std::move(frames[i])},
            changes.add_inline_chunks());
  }
  return absl::OkStatus();
}

}  // namespace filesync
