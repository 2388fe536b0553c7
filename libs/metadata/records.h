// Records: the model's values as they stand in the store. What does not parse is DataLoss.
// Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/metadata/metadata_store.h"

namespace filesync::records {

std::string Encode(const Entry& entry, const RelPath& conflict_of);
// `path` is the key's.
absl::StatusOr<Entry> DecodeEntry(const RelPath& path, std::string_view bytes);

std::string Encode(const HistoryRecord& record);
absl::StatusOr<HistoryRecord> DecodeHistory(const RelPath& path, std::string_view bytes);

struct ChangeRow {
  RelPath path;
  uint64_t commit_last_version = 0;
};
std::string Encode(const ChangeRow& row);
absl::StatusOr<ChangeRow> DecodeChange(std::string_view bytes);

std::string Encode(const FolderInfo& folder);
absl::StatusOr<FolderInfo> DecodeFolder(FolderId id, std::string_view bytes);

std::string Encode(const CommitResult& result, const std::vector<Change>& changes);
absl::StatusOr<CommitResult> DecodeBatch(std::string_view bytes,
                                         const std::vector<Change>& changes);

std::string Encode(const AgentRecord& agent);
absl::StatusOr<AgentRecord> DecodeAgent(FolderId folder, std::string_view id,
                                        std::string_view bytes);

std::string Encode(const ConflictRecord& record);
// `path` and `agent_id` are the key's.
absl::StatusOr<ConflictRecord> DecodeConflict(const RelPath& path, std::string_view agent_id,
                                              std::string_view bytes);

std::string Encode(const Incarnation& incarnation, int64_t started_at_ns, bool after_clean_stop);
absl::StatusOr<Incarnation> DecodeIncarnation(std::string_view bytes);

}  // namespace filesync::records
