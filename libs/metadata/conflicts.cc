#include "libs/metadata/conflicts.h"

#include <map>

#include "libs/base/status.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/records.h"

namespace filesync {
namespace {

constexpr size_t kAgentAt = 8;
constexpr size_t kPathAt = 8 + 16;
// Rows looked at for one page, whatever the prefix leaves of them.
constexpr size_t kMostRowsPerPage = 20'000;

absl::StatusOr<ConflictNews> DeleteSettled(KvStore* kv, FolderId folder,
                                           const std::string& agent_id,
                                           const std::vector<RelPath>& paths) {
  ConflictNews news;
  KvBatch batch;
  for (const RelPath& path : paths) {
    const std::string key = keys::Conflict(folder, agent_id, path);
    const absl::StatusOr<std::string> value = kv->Get(keys::kConflicts, key);
    if (absl::IsNotFound(value.status())) continue;
    FS_RETURN_IF_ERROR(value.status());
    FS_ASSIGN_OR_RETURN(ConflictRecord record, records::DecodeConflict(path, agent_id, *value));
    news.settled.push_back(std::move(record));
    batch.Delete(keys::kConflicts, key);
  }
  if (!batch.empty()) FS_RETURN_IF_ERROR(kv->Write(batch, /*synced=*/false));
  return news;
}

}  // namespace

absl::StatusOr<ConflictNews> WriteConflicts(KvStore* kv, FolderId folder,
                                            const std::string& agent_id,
                                            const std::string& agent_name,
                                            const ConflictReport& report, int64_t now_ns) {
  if (!report.settled.empty()) return DeleteSettled(kv, folder, agent_id, report.settled);
  std::map<RelPath, ConflictRecord> before;
  std::optional<uint64_t> omitted_before;
  const std::string prefix = keys::ConflictsOf(folder, agent_id);
  const std::unique_ptr<KvIterator> rows = kv->Iterate(keys::kConflicts);
  for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
    FS_ASSIGN_OR_RETURN(const RelPath path, RelPath::FromSortKey(rows->key().substr(kPathAt)));
    FS_ASSIGN_OR_RETURN(ConflictRecord record,
                        records::DecodeConflict(path, agent_id, rows->value()));
    if (!path.IsAtOrBelow(report.within)) continue;
    if (path.IsRoot()) {
      omitted_before = record.omitted;
    } else {
      before.emplace(path, std::move(record));
    }
  }
  FS_RETURN_IF_ERROR(rows->status());
  ConflictNews news;
  KvBatch batch;
  for (const HeldConflict& conflict : report.conflicts) {
    const auto known = before.find(conflict.path);
    ConflictRecord record{conflict, agent_id, agent_name, now_ns, 0};
    if (known != before.end()) {
      record.since_ns = known->second.since_ns;
      const bool same = known->second.conflict == conflict;
      const bool renamed = known->second.agent_name != agent_name;
      before.erase(known);
      if (same && !renamed) continue;
    }
    batch.Put(keys::kConflicts, keys::Conflict(folder, agent_id, conflict.path),
              records::Encode(record));
    news.held.push_back(std::move(record));
  }
  for (auto& [path, record] : before) {
    batch.Delete(keys::kConflicts, keys::Conflict(folder, agent_id, path));
    news.settled.push_back(std::move(record));
  }
  if (report.within.IsRoot() && report.omitted != omitted_before.value_or(0)) {
    const std::string key = keys::Conflict(folder, agent_id, RelPath());
    ConflictRecord rest;
    rest.agent_name = agent_name;
    rest.omitted = report.omitted;
    if (report.omitted > 0) {
      batch.Put(keys::kConflicts, key, records::Encode(rest));
    } else {
      batch.Delete(keys::kConflicts, key);
    }
  }
  // Not synced: an agent reports anew whenever it connects.
  if (!batch.empty()) FS_RETURN_IF_ERROR(kv->Write(batch, /*synced=*/false));
  return news;
}

absl::StatusOr<std::vector<ConflictRecord>> RemoveConflicts(KvStore* kv, FolderId folder,
                                                            const std::string& agent_id,
                                                            KvBatch& batch) {
  std::vector<ConflictRecord> settled;
  const std::string prefix = keys::ConflictsOf(folder, agent_id);
  const std::unique_ptr<KvIterator> rows = kv->Iterate(keys::kConflicts);
  for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
    FS_ASSIGN_OR_RETURN(const RelPath path, RelPath::FromSortKey(rows->key().substr(kPathAt)));
    FS_ASSIGN_OR_RETURN(ConflictRecord record,
                        records::DecodeConflict(path, agent_id, rows->value()));
    batch.Delete(keys::kConflicts, std::string(rows->key()));
    if (!path.IsRoot()) settled.push_back(std::move(record));
  }
  FS_RETURN_IF_ERROR(rows->status());
  return settled;
}

absl::StatusOr<ConflictPage> ReadConflicts(KvStore* kv, FolderId folder, const RelPath& prefix,
                                           const std::optional<ConflictPosition>& after,
                                           size_t limit) {
  ConflictPage page;
  const std::string all = keys::Folder(folder);
  std::string start = all;
  if (after.has_value()) start = keys::Conflict(folder, after->agent_id, after->path) + '\0';
  const std::unique_ptr<KvIterator> rows = kv->Iterate(keys::kConflicts);
  size_t seen = 0;
  for (rows->Seek(start); rows->Valid() && rows->key().starts_with(all); rows->Next()) {
    const std::string_view key = rows->key();
    if (key.size() < kPathAt) return DataLoss("the store holds a damaged conflict");
    if (page.conflicts.size() == limit || ++seen > kMostRowsPerPage) {
      page.more = true;
      return page;
    }
    ConflictPosition position;
    position.agent_id = std::string(key.substr(kAgentAt, kPathAt - kAgentAt));
    FS_ASSIGN_OR_RETURN(position.path, RelPath::FromSortKey(key.substr(kPathAt)));
    FS_ASSIGN_OR_RETURN(ConflictRecord record,
                        records::DecodeConflict(position.path, position.agent_id, rows->value()));
    page.last = std::move(position);
    if (page.last.path.IsRoot()) {
      page.omitted += record.omitted;
    } else if (page.last.path.IsAtOrBelow(prefix)) {
      page.conflicts.push_back(std::move(record));
    }
  }
  FS_RETURN_IF_ERROR(rows->status());
  return page;
}

}  // namespace filesync
