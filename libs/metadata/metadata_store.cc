// The MetadataStore on a KvStore. The commit's decisions are in commit.cc, opening in
// opening.cc; here is what reads and writes.

#include "libs/metadata/metadata_store.h"

#include <algorithm>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/metadata/agents.h"
#include "libs/metadata/batches.h"
#include "libs/metadata/commit.h"
#include "libs/metadata/conflicts.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/opening.h"
#include "libs/metadata/recent_changes.h"
#include "libs/metadata/records.h"
#include "libs/metadata/version_allocator.h"
#include "libs/paths/ignore_file.h"
#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

// What an entry weighs in a slice besides its path and chunks.
constexpr size_t kEntryOverhead = 96;
constexpr size_t kRefWeight = 40;

int64_t Nanoseconds(const Clock& clock) { return absl::ToUnixNanos(clock.Now()); }

absl::Status CheckFolderName(const std::string& name) {
  if (name.empty() || name.size() > kMaxFolderNameBytes || name.find('/') != std::string::npos ||
      EscapeForPeople(name) != name) {
    return InvalidArgument(
        "a folder's name is 1 to {} bytes of printable UTF-8 without '/' and '%'",
        kMaxFolderNameBytes);
  }
  return absl::OkStatus();
}

constexpr std::string_view kFolderRulesName = "the folder's rules";

// One folder's lock and published state.
struct FolderState {
  absl::Mutex commit_mutex;  // one commit at a time
  absl::Mutex mutex;
  FolderInfo info ABSL_GUARDED_BY(mutex);  // as published
  RecentChanges recent ABSL_GUARDED_BY(mutex);
};

class KvMetadataStore final : public MetadataStore {
 public:
  KvMetadataStore(KvStore* kv, const Clock* clock, const MetadataOptions& options,
                  OpenedStore opened)
      : kv_(kv),
        clock_(clock),
        options_(options),
        server_id_(std::move(opened.server_id)),
        incarnations_(std::move(opened.incarnations)),
        allocator_(std::move(opened.allocator)) {
    absl::MutexLock lock(&folders_mutex_);
    for (FolderInfo& info : opened.folders) AddFolder(std::move(info));
  }

  absl::StatusOr<FolderInfo> CreateFolder(const std::string& name) override {
    FS_RETURN_IF_ERROR(CheckFolderName(name));
    absl::MutexLock lock(&folders_mutex_);
    FolderInfo info;
    info.id = 1;
    for (const auto& [id, state] : folders_) {
      absl::MutexLock state_lock(&state->mutex);
      if (state->info.name == name) return AlreadyExists("the folder '{}' exists already", name);
      info.id = std::max(info.id, id + 1);
    }
    info.name = name;
    info.created_at_ns = Nanoseconds(*clock_);
    KvBatch batch;
    batch.Put(keys::kFolders, keys::Folder(info.id), records::Encode(info));
    FS_RETURN_IF_ERROR(kv_->Write(batch, /*synced=*/true));
    AddFolder(info);
    return info;
  }

  absl::StatusOr<FolderInfo> GetFolder(const std::string& name) override {
    for (const FolderInfo& info : ListFolders()) {
      if (info.name == name) return info;
    }
    return NotFound("there is no folder '{}'", EscapeForPeople(name));
  }

  absl::StatusOr<FolderInfo> GetFolder(FolderId id) override {
    FS_ASSIGN_OR_RETURN(FolderState * state, Find(id));
    absl::MutexLock lock(&state->mutex);
    return state->info;
  }

  std::vector<FolderInfo> ListFolders() override {
    std::vector<FolderInfo> folders;
    absl::MutexLock lock(&folders_mutex_);
    for (const auto& [id, state] : folders_) {
      absl::MutexLock state_lock(&state->mutex);
      folders.push_back(state->info);
    }
    std::sort(folders.begin(), folders.end(),
              [](const FolderInfo& a, const FolderInfo& b) { return a.name < b.name; });
    return folders;
  }

  absl::StatusOr<FolderInfo> SetFolderRules(FolderId id, const std::string& rules) override {
    if (rules.size() > kMaxFolderRulesBytes) {
      return InvalidArgument("a folder's rules take {} KiB at most", kMaxFolderRulesBytes >> 10);
    }
    FS_RETURN_IF_ERROR(
        IgnoreFile::Parse(IgnoreSource::kFolder, RelPath(), kFolderRulesName, rules).status());
    FS_ASSIGN_OR_RETURN(FolderState * folder, Find(id));
    // A commit writes the folder's row too.
    absl::MutexLock commit_lock(&folder->commit_mutex);
    FS_RETURN_IF_ERROR(Poisoned());
    FS_ASSIGN_OR_RETURN(FolderInfo info, GetFolder(id));
    info.rules = rules.empty() ? nullptr : std::make_shared<const std::string>(rules);
    KvBatch batch;
    batch.Put(keys::kFolders, keys::Folder(id), records::Encode(info));
    FS_RETURN_IF_ERROR(kv_->Write(batch, /*synced=*/true));
    absl::MutexLock lock(&folder->mutex);
    folder->info = info;
    return info;
  }

  absl::StatusOr<CommitResult> Commit(const CommitRequest& request,
                                      const ListReader& lists) override {
    FS_ASSIGN_OR_RETURN(FolderState * folder, Find(request.folder));
    CommitResult result;
    bool published = false;
    {
      absl::MutexLock lock(&folder->commit_mutex);
      FS_RETURN_IF_ERROR(Poisoned());
      FS_ASSIGN_OR_RETURN(std::optional<CommitResult> known, RememberedAnswer(kv_, request));
      if (known.has_value()) return *std::move(known);
      FS_ASSIGN_OR_RETURN(published, CommitNew(request, lists, *folder, result));
    }
    if (published) {
      std::function<void(FolderId, uint64_t)> callback;
      {
        absl::MutexLock lock(&callback_mutex_);
        callback = on_published_;
      }
      if (callback) callback(request.folder, result.head_version);
    }
    return result;
  }

  absl::StatusOr<uint64_t> LastBatch(FolderId folder, const std::string& agent_id) override {
    return filesync::LastBatch(kv_, folder, agent_id);
  }

  void OnPublished(std::function<void(FolderId, uint64_t)> callback) override {
    absl::MutexLock lock(&callback_mutex_);
    on_published_ = std::move(callback);
  }

  absl::StatusOr<uint64_t> PublishedHead(FolderId folder) override {
    FS_ASSIGN_OR_RETURN(const FolderInfo info, GetFolder(folder));
    return info.head_version;
  }

  absl::StatusOr<ChangeSlice> ChangesSince(
      FolderId folder, uint64_t after, size_t max_entries, size_t max_bytes,
      const std::function<bool(const Entry&)>& leave_out) override {
    FS_ASSIGN_OR_RETURN(FolderState * state, Find(folder));
    RecentChanges::View recent;
    ChangeSlice slice;
    {
      absl::MutexLock lock(&state->mutex);
      slice.head = state->info.head_version;
      if (after < slice.head) recent = state->recent.After(after);
    }
    slice.through = std::max(after, slice.head);
    if (after >= slice.head) return slice;
    // Both reads see one state; what was committed after it is of a later version.
    const std::unique_ptr<KvSnapshot> snapshot = kv_->Snapshot();
    const std::unique_ptr<KvIterator> rows = kv_->Iterate(keys::kChanges, snapshot.get());
    const std::string prefix = keys::Folder(folder);
    size_t taken = 0;
    size_t bytes = 0;
    uint64_t last_commit = 0;
    uint64_t last_version = after;
    for (rows->Seek(keys::Change(folder, after + 1));
         rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
      const uint64_t version = ReadBigEndian64(rows->key().data() + 8);
      if (version > slice.head) break;
      const Entry* known = recent.Find(version);
      records::ChangeRow row;
      if (known != nullptr) {
        row.commit_last_version = recent.commit_last_version();
      } else {
        FS_ASSIGN_OR_RETURN(row, records::DecodeChange(rows->value()));
      }
      if (taken >= max_entries || bytes >= max_bytes) {
        slice.through = last_version;
        slice.more_of_commit = row.commit_last_version == last_commit;
        return slice;
      }
      last_version = version;
      last_commit = row.commit_last_version;
      ++taken;
      Entry stored;
      if (known == nullptr) {
        FS_ASSIGN_OR_RETURN(
            const std::string value,
            kv_->Get(keys::kEntries, keys::Entry(folder, row.path), snapshot.get()));
        FS_ASSIGN_OR_RETURN(stored, records::DecodeEntry(row.path, value));
        if (stored.version != version) continue;
      }
      // What is remembered has its row still, so nothing took its place.
      const Entry& entry = known != nullptr ? *known : stored;
      bytes += kEntryOverhead + entry.path.bytes().size() + entry.content.refs.size() * kRefWeight;
      if (leave_out && leave_out(entry)) continue;
      if (known != nullptr) {
        slice.entries.push_back(*known);
      } else {
        slice.entries.push_back(std::move(stored));
      }
    }
    FS_RETURN_IF_ERROR(rows->status());
    return slice;
  }

  absl::StatusOr<Entry> GetEntry(FolderId folder, const RelPath& path) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    const absl::StatusOr<std::string> value = kv_->Get(keys::kEntries, keys::Entry(folder, path));
    if (absl::IsNotFound(value.status())) {
      return NotFound("the folder has no entry '{}'", path.ForPeople());
    }
    FS_RETURN_IF_ERROR(value.status());
    return records::DecodeEntry(path, *value);
  }

  absl::StatusOr<std::vector<Entry>> ListEntries(FolderId folder, const RelPath& prefix,
                                                 const std::optional<RelPath>& after, size_t limit,
                                                 bool with_tombstones) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    std::vector<Entry> entries;
    const std::string all = keys::Folder(folder);
    const std::unique_ptr<KvIterator> iterator = kv_->Iterate(keys::kEntries);
    std::string start = keys::Entry(folder, prefix);
    if (after.has_value()) start = std::max(start, keys::Entry(folder, *after) + '\0');
    for (iterator->Seek(start);
         iterator->Valid() && iterator->key().starts_with(all) && entries.size() < limit;
         iterator->Next()) {
      FS_ASSIGN_OR_RETURN(const RelPath path, RelPath::FromSortKey(iterator->key().substr(8)));
      if (!path.IsAtOrBelow(prefix)) break;
      FS_ASSIGN_OR_RETURN(Entry entry, records::DecodeEntry(path, iterator->value()));
      if (entry.IsLive() || with_tombstones) entries.push_back(std::move(entry));
    }
    FS_RETURN_IF_ERROR(iterator->status());
    return entries;
  }

  absl::StatusOr<std::vector<HistoryRecord>> History(FolderId folder, const RelPath& path,
                                                     size_t limit) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    std::vector<HistoryRecord> history;
    const std::string prefix = keys::HistoryOf(folder, path);
    const std::unique_ptr<KvIterator> iterator = kv_->Iterate(keys::kHistory);
    for (iterator->SeekBefore(keys::History(folder, path, UINT64_MAX));
         iterator->Valid() && iterator->key().starts_with(prefix) && history.size() < limit;
         iterator->Previous()) {
      FS_ASSIGN_OR_RETURN(HistoryRecord record, records::DecodeHistory(path, iterator->value()));
      history.push_back(std::move(record));
    }
    FS_RETURN_IF_ERROR(iterator->status());
    return history;
  }

  absl::Status AddMembers(FolderId folder, const std::vector<ChunkId>& ids) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    KvBatch batch;
    for (const ChunkId& id : ids) batch.Put(keys::kMembership, keys::Member(folder, id), "");
    return kv_->Write(batch, /*synced=*/false);
  }

  absl::StatusOr<std::vector<bool>> AreMembers(FolderId folder,
                                               const std::vector<ChunkId>& ids) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    std::vector<std::string> members;
    members.reserve(ids.size());
    for (const ChunkId& id : ids) members.push_back(keys::Member(folder, id));
    FS_ASSIGN_OR_RETURN(const auto found, kv_->MultiGet(keys::kMembership, members));
    std::vector<bool> answers;
    answers.reserve(found.size());
    for (const auto& value : found) answers.push_back(value.has_value());
    return answers;
  }

  std::vector<Incarnation> Incarnations() override { return incarnations_; }
  std::string ServerId() override { return server_id_; }

  absl::Status PutAgent(const AgentRecord& record) override {
    return filesync::PutAgent(kv_, record);
  }
  absl::StatusOr<AgentRecord> GetAgent(FolderId folder, const std::string& id) override {
    return filesync::GetAgent(kv_, folder, id);
  }
  absl::StatusOr<std::vector<AgentRecord>> ListAgents(FolderId folder) override {
    return filesync::ListAgents(kv_, folder);
  }
  absl::StatusOr<ForgottenAgent> ForgetAgent(FolderId id, const std::string& agent_id) override {
    FS_ASSIGN_OR_RETURN(FolderState * folder, Find(id));
    // A commit writes the folder's row and the agent's batches too.
    absl::MutexLock commit_lock(&folder->commit_mutex);
    FS_RETURN_IF_ERROR(Poisoned());
    KvBatch batch;
    FS_ASSIGN_OR_RETURN(ForgottenAgent forgotten, RemoveAgent(kv_, id, agent_id, batch));
    FS_ASSIGN_OR_RETURN(FolderInfo info, GetFolder(id));
    info.forgotten_through = info.head_version;
    batch.Put(keys::kFolders, keys::Folder(id), records::Encode(info));
    FS_RETURN_IF_ERROR(kv_->Write(batch, /*synced=*/true));
    absl::MutexLock lock(&folder->mutex);
    folder->info = info;
    return forgotten;
  }

  absl::StatusOr<ConflictNews> PutConflicts(FolderId folder, const std::string& agent_id,
                                            const std::string& agent_name,
                                            const ConflictReport& report) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    return WriteConflicts(kv_, folder, agent_id, agent_name, report, Nanoseconds(*clock_));
  }

  absl::StatusOr<ConflictPage> ListConflicts(FolderId folder, const RelPath& prefix,
                                             const std::optional<ConflictPosition>& after,
                                             size_t limit) override {
    FS_RETURN_IF_ERROR(Find(folder).status());
    return ReadConflicts(kv_, folder, prefix, after, limit);
  }

  absl::Status CloseCleanly() override { return MarkCleanStop(kv_); }

 private:
  void AddFolder(FolderInfo info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(folders_mutex_) {
    auto state = std::make_unique<FolderState>();
    const FolderId id = info.id;
    {
      absl::MutexLock lock(&state->mutex);
      state->info = std::move(info);
    }
    folders_[id] = std::move(state);
  }

  // Folders are never removed, so the pointer stays good.
  absl::StatusOr<FolderState*> Find(FolderId id) {
    absl::MutexLock lock(&folders_mutex_);
    const auto it = folders_.find(id);
    if (it == folders_.end()) return NotFound("there is no folder with the number {}", id);
    return it->second.get();
  }

  absl::Status Poisoned() {
    absl::MutexLock lock(&poison_mutex_);
    return poison_;
  }

  // True when versions were given out and published.
  absl::StatusOr<bool> CommitNew(const CommitRequest& request, const ListReader& lists,
                                 FolderState& folder, CommitResult& result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(folder.commit_mutex) {
    CommitPlan plan(kv_, request, lists);
    FS_RETURN_IF_ERROR(plan.Make());
    const size_t writes = std::count_if(plan.planned.begin(), plan.planned.end(),
                                        [](const PlannedChange& p) { return p.writes; });
    FolderInfo info;
    {
      absl::MutexLock lock(&folder.mutex);
      info = folder.info;
    }
    KvBatch batch;
    RecentCommit committed;
    if (writes > 0) {
      const absl::StatusOr<uint64_t> first = allocator_->Take(writes);
      if (!first.ok()) {
        kv_->Fail(first.status());
        return first.status();
      }
      committed = WriteChanges(request, plan, *first, writes, info, batch);
    }
    result.outcomes = std::move(plan.outcomes);
    result.head_version = info.head_version;
    RememberBatch(request, result, options_.batches_remembered, batch);
    const absl::Status written = kv_->Write(batch, /*synced=*/writes > 0);
    if (!written.ok()) {
      // A full disk is a pause: nobody was told of these versions, and they are not given out
      // again. After anything else nobody knows what is on disk: nothing more is acknowledged until
      // a new start.
      absl::MutexLock lock(&poison_mutex_);
      if (poison_.ok() && writes > 0 && !absl::IsResourceExhausted(written)) {
        poison_ =
            Unavailable("the store failed and must be opened again: {}", ToStd(written.message()));
      }
      return poison_.ok() ? written : poison_;
    }
    if (writes == 0) return false;
    absl::MutexLock lock(&folder.mutex);
    folder.info = info;
    folder.recent.Add(std::move(committed));
    return true;
  }

  // The entries that are written, as they will be read.
  RecentCommit WriteChanges(const CommitRequest& request, CommitPlan& plan, uint64_t first,
                            size_t writes, FolderInfo& info, KvBatch& batch) {
    RecentCommit committed;
    committed.reserve(writes);
    const int64_t now = Nanoseconds(*clock_);
    const uint64_t last = first + writes - 1;
    uint64_t version = first;
    for (size_t i = 0; i < plan.planned.size(); ++i) {
      if (!plan.planned[i].writes) continue;
      const Change& change = request.changes[i];
      const Entry& current = plan.planned[i].current;
      Entry entry = change.entry;
      entry.version = version;
      entry.author = request.agent_id;
      entry.committed_at_ns = now;
      plan.outcomes[i].version = version;
      batch.Put(keys::kEntries, keys::Entry(request.folder, entry.path),
                records::Encode(entry, change.conflict_of));
      batch.Put(keys::kChanges, keys::Change(request.folder, version),
                records::Encode(records::ChangeRow{entry.path, last}));
      if (current.version > 0) {
        batch.Delete(keys::kChanges, keys::Change(request.folder, current.version));
        batch.Put(keys::kHistory, keys::History(request.folder, entry.path, current.version),
                  records::Encode(HistoryRecord{current, version, now}));
      }
      if (current.IsLive()) --info.live_entries;
      if (entry.IsLive()) ++info.live_entries;
      info.live_bytes += entry.content.size - current.content.size;
      committed.push_back(std::move(entry));
      ++version;
    }
    info.head_version = last;
    batch.Put(keys::kFolders, keys::Folder(request.folder), records::Encode(info));
    return committed;
  }

  KvStore* const kv_;
  const Clock* const clock_;
  const MetadataOptions options_;
  const std::string server_id_;
  const std::vector<Incarnation> incarnations_;
  const std::unique_ptr<VersionAllocator> allocator_;

  absl::Mutex folders_mutex_;
  std::map<FolderId, std::unique_ptr<FolderState>> folders_ ABSL_GUARDED_BY(folders_mutex_);
  absl::Mutex callback_mutex_;
  std::function<void(FolderId, uint64_t)> on_published_ ABSL_GUARDED_BY(callback_mutex_);
  absl::Mutex poison_mutex_;
  absl::Status poison_ ABSL_GUARDED_BY(poison_mutex_);
};

}  // namespace

std::vector<std::pair<std::string, bool>> MetadataTables() {
  return {{"system", false},  {"incarnations", false}, {"folders", false}, {"batches", false},
          {"entries", false}, {"changes", false},      {"history", false}, {"membership", true},
          {"agents", false},  {"conflicts", false}};
}

absl::StatusOr<std::unique_ptr<MetadataStore>> OpenMetadataStore(KvStore* kv, const Clock* clock,
                                                                 const MetadataOptions& options) {
  FS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(kv, *clock, options));
  return std::unique_ptr<MetadataStore>(
      std::make_unique<KvMetadataStore>(kv, clock, options, std::move(opened)));
}

}  // namespace filesync
