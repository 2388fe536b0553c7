#include "libs/metadata/commit.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "libs/base/status.h"
#include "libs/chunking/fast_cdc.h"
#include "libs/content/frame.h"
#include "libs/metadata/agents.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/records.h"

namespace filesync {
namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr size_t kMostMissing = 10'000;
constexpr size_t kAskedAtOnce = 1024;  // chunk ids
// Of one batch: enough for a thousand paths that were changed ten times each.
constexpr size_t kMostHistoryRead = 10'000;

absl::Status CheckContentForm(const Content& content) {
  if (!ChunkSizes::IsValidAverage(content.average_size)) {
    return InvalidArgument("{} is no average chunk size", content.average_size);
  }
  if (content.depth > kMaxListDepth) return InvalidArgument("the content list is too deep");
  if (content.refs.size() > kMaxInlineRefs) return InvalidArgument("the content list is too long");
  if (content.refs.empty() != (content.size == 0)) {
    return InvalidArgument("a file has chunks just when it is not empty");
  }
  uint64_t size = 0;
  for (const ChunkRef& ref : content.refs) {
    if (ref.size == 0 || ref.size > kMaxChunkSize) {
      return InvalidArgument("a chunk can't be of {} bytes", ref.size);
    }
    size += ref.size;
  }
  if (content.depth == 0 && size != content.size) {
    return InvalidArgument("the chunks add up to {} bytes, not {}", size, content.size);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckEntryForm(const Entry& entry) {
  if (entry.path.IsRoot()) return InvalidArgument("the root itself is no entry");
  if ((entry.mode & ~0777u) != 0)
    return InvalidArgument("mode {:o} has more than 0777", entry.mode);
  const bool file = entry.type == EntryType::kFile;
  const bool symlink = entry.type == EntryType::kSymlink;
  if (!file && (!entry.content.refs.empty() || entry.content.size != 0)) {
    return InvalidArgument("only files have content");
  }
  if (symlink != !entry.symlink_target.empty()) {
    return InvalidArgument("just symlinks have a target, and it is not empty");
  }
  if (entry.symlink_target.size() > kMaxSymlinkTargetBytes ||
      entry.symlink_target.find('\0') != std::string::npos) {
    return InvalidArgument("the symlink's target is too long or holds a NUL byte");
  }
  if (!entry.IsLive() && entry.attributes.SaySomething()) {
    return InvalidArgument("a tombstone has neither owner nor extended attributes");
  }
  if (symlink && entry.attributes.xattrs != nullptr) {
    return InvalidArgument("a symlink has no extended attributes");
  }
  FS_RETURN_IF_ERROR(CheckAttributes(entry.attributes));
  if (!entry.moved_to.IsRoot() && entry.IsLive()) {
    return InvalidArgument("only a tombstone has moved_to");
  }
  if (!entry.moved_from.IsRoot() && !entry.IsLive()) {
    return InvalidArgument("a tombstone has no moved_from");
  }
  return file ? CheckContentForm(entry.content) : absl::OkStatus();
}

absl::Status CommitPlan::Make() {
  outcomes.assign(request_.changes.size(), ChangeOutcome());
  planned.assign(request_.changes.size(), PlannedChange());
  FS_RETURN_IF_ERROR(LoadCurrent());
  for (size_t i = 0; i < outcomes.size(); ++i) CheckForm(i);
  for (size_t i = 0; i < outcomes.size(); ++i) FS_RETURN_IF_ERROR(CheckBase(i));
  FS_RETURN_IF_ERROR(CheckChunks());
  return CheckTree();
}

absl::Status CommitPlan::LoadCurrent() {
  std::vector<std::string> paths;
  paths.reserve(request_.changes.size());
  for (const Change& change : request_.changes) {
    paths.push_back(keys::Entry(request_.folder, change.entry.path));
  }
  FS_ASSIGN_OR_RETURN(const auto values, kv_->MultiGet(keys::kEntries, paths));
  for (size_t i = 0; i < values.size(); ++i) {
    const RelPath& path = request_.changes[i].entry.path;
    planned[i].current.path = path;
    if (!values[i].has_value()) continue;
    FS_ASSIGN_OR_RETURN(planned[i].current, records::DecodeEntry(path, *values[i]));
  }
  return absl::OkStatus();
}

void CommitPlan::Reject(size_t i, RejectReason reason, std::string message) {
  outcomes[i].kind = ChangeOutcome::Kind::kRejected;
  outcomes[i].reason = reason;
  outcomes[i].message = std::move(message);
  planned[i].writes = false;
}

void CommitPlan::CheckForm(size_t i) {
  const Entry& entry = request_.changes[i].entry;
  if (absl::Status form = CheckEntryForm(entry); !form.ok()) {
    Reject(i, RejectReason::kMalformed, std::string(ToStd(form.message())));
    return;
  }
  if (!index_.try_emplace(entry.path, i).second) {
    Reject(i, RejectReason::kMalformed, "the path is twice in one batch");
  }
}

size_t CommitPlan::IndexOf(const RelPath& path) const {
  const auto it = index_.find(path);
  return it == index_.end() ? kNone : it->second;
}

absl::Status CommitPlan::CheckBase(size_t i) {
  if (!Accepted(i)) return absl::OkStatus();
  const Change& change = request_.changes[i];
  const Entry& current = planned[i].current;
  if (EqualState(current, change.entry)) {
    // Both sides came to the same: nothing to write, and no conflict.
    outcomes[i].version = current.version;
    return absl::OkStatus();
  }
  const bool matches =
      change.base_version == current.version || (change.base_version == 0 && !current.IsLive());
  if (!matches) {
    outcomes[i].kind = ChangeOutcome::Kind::kSuperseded;
    outcomes[i].current = current;
    FS_ASSIGN_OR_RETURN(outcomes[i].content_of_version, FindInHistory(change));
    return absl::OkStatus();
  }
  planned[i].writes = true;
  return absl::OkStatus();
}

// Up to here the agent once said to have applied everything, whatever its state knows now.
absl::StatusOr<uint64_t> CommitPlan::VersionTheAgentHad() {
  if (had_.has_value()) return *had_;
  const absl::StatusOr<AgentRecord> agent = GetAgent(kv_, request_.folder, request_.agent_id);
  if (!agent.ok() && !absl::IsNotFound(agent.status())) return agent.status();
  had_ = agent.ok() ? agent->had_version : 0;
  return *had_;
}

// History is the judge: an agent whose base is older than its files (its host lost power, its state
// was put back) sends as an edit what it has had already. The newest version that is newer than the
// base, had this content, and was applied or committed by this very agent, or has the very time of
// its last save, as what an agent installs has; 0 when there is none. That others had the content
// in between proves nothing: two people may come to the same one, and mean it.
absl::StatusOr<uint64_t> CommitPlan::FindInHistory(const Change& change) {
  const RelPath& path = change.entry.path;
  const bool has_content =
      change.entry.type == EntryType::kFile || change.entry.type == EntryType::kSymlink;
  if (!has_content) return 0;
  FS_ASSIGN_OR_RETURN(const uint64_t had, VersionTheAgentHad());
  uint64_t found = 0;
  const std::string prefix = keys::HistoryOf(request_.folder, path);
  const std::unique_ptr<KvIterator> iterator = kv_->Iterate(keys::kHistory);
  for (iterator->Seek(keys::History(request_.folder, path, change.base_version + 1));
       iterator->Valid() && iterator->key().starts_with(prefix); iterator->Next()) {
    if (++history_read_ > kMostHistoryRead) break;
    FS_ASSIGN_OR_RETURN(const HistoryRecord record,
                        records::DecodeHistory(path, iterator->value()));
    const bool installed =
        change.entry.mtime_ns != 0 && record.entry.mtime_ns == change.entry.mtime_ns;
    // Who names no version at all knows of nothing that it had.
    const bool its_own = change.base_version > 0 &&
                         (record.entry.version <= had || record.entry.author == request_.agent_id);
    if ((its_own || installed) && EqualContent(record.entry, change.entry))
      found = record.entry.version;
  }
  FS_RETURN_IF_ERROR(iterator->status());
  return found;
}

// The ids that are no members of the folder, one answer for each.
absl::StatusOr<std::vector<bool>> CommitPlan::AreMissing(const std::vector<ChunkId>& ids) {
  std::vector<bool> missing;
  missing.reserve(ids.size());
  std::vector<std::string> members;
  for (size_t begin = 0; begin < ids.size(); begin += kAskedAtOnce) {
    const size_t end = std::min(ids.size(), begin + kAskedAtOnce);
    members.clear();
    for (size_t i = begin; i < end; ++i) members.push_back(keys::Member(request_.folder, ids[i]));
    FS_ASSIGN_OR_RETURN(const auto found, kv_->MultiGet(keys::kMembership, members));
    for (const auto& value : found) missing.push_back(!value.has_value());
  }
  return missing;
}

// Its content is new, so its chunks have to be there.
bool CommitPlan::BringsContent(size_t i) const {
  const Entry& entry = request_.changes[i].entry;
  if (!planned[i].writes || entry.type != EntryType::kFile) return false;
  const Entry& current = planned[i].current;
  return current.type != EntryType::kFile || current.content != entry.content;
}

absl::Status CommitPlan::CheckChunks() {
  // What the entries name themselves is looked up together.
  std::vector<ChunkId> named;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (!BringsContent(i)) continue;
    for (const ChunkRef& ref : request_.changes[i].entry.content.refs) named.push_back(ref.id);
  }
  FS_ASSIGN_OR_RETURN(const std::vector<bool> missing, AreMissing(named));
  size_t next = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (!BringsContent(i)) continue;
    const Content& content = request_.changes[i].entry.content;
    for (const ChunkRef& ref : content.refs) {
      if (missing[next++] && outcomes[i].missing.size() < kMostMissing) {
        outcomes[i].missing.push_back(ref.id);
      }
    }
    if (outcomes[i].missing.empty() && content.depth > 0) FS_RETURN_IF_ERROR(CheckPieces(i));
    if (!outcomes[i].missing.empty()) {
      outcomes[i].kind = ChangeOutcome::Kind::kMissingChunks;
      planned[i].writes = false;
    }
  }
  return absl::OkStatus();
}

// What the pieces of its content list name.
absl::Status CommitPlan::CheckPieces(size_t i) {
  std::vector<ChunkId> ids;
  const auto look_up = [&]() -> absl::Status {
    FS_ASSIGN_OR_RETURN(const std::vector<bool> missing, AreMissing(ids));
    std::vector<ChunkId>& told = outcomes[i].missing;
    for (size_t k = 0; k < ids.size(); ++k) {
      if (missing[k] && told.size() < kMostMissing) told.push_back(ids[k]);
    }
    ids.clear();
    return absl::OkStatus();
  };
  const absl::Status walked =
      WalkContent(request_.changes[i].entry.content, lists_,
                  [&](ChunkKind, const ChunkRef& ref) -> absl::Status {
                    ids.push_back(ref.id);
                    return ids.size() >= kAskedAtOnce ? look_up() : absl::OkStatus();
                  });
  if (absl::IsDataLoss(walked)) {
    Reject(i, RejectReason::kMalformed, std::string(ToStd(walked.message())));
    outcomes[i].missing.clear();
    return absl::OkStatus();
  }
  // A piece that is not stored was visited before it was read, so it is among the ids.
  if (!absl::IsNotFound(walked)) FS_RETURN_IF_ERROR(walked);
  return look_up();
}

// Refusing one change may make others impossible. Each change is looked at once by itself, and
// again only because of one that fell: what a batch costs grows with its size, whatever a peer puts
// into it.
absl::Status CommitPlan::CheckTree() {
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const size_t above = IndexOf(request_.changes[i].entry.path.Parent());
    if (above != kNone) children_[above].push_back(i);
  }
  std::vector<size_t> fallen;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (Accepted(i) && !HasItsMovePartner(i)) fallen.push_back(i);
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (!planned[i].writes) continue;
    FS_ASSIGN_OR_RETURN(const bool fell, CheckTreeOf(i));
    if (fell) fallen.push_back(i);
  }
  while (!fallen.empty()) {
    const size_t i = fallen.back();
    fallen.pop_back();
    FS_RETURN_IF_ERROR(TakeAlong(i, fallen));
  }
  return absl::OkStatus();
}

// What can't be without change `i`, which fell, is refused too and added to `fallen`.
absl::Status CommitPlan::TakeAlong(size_t i, std::vector<size_t>& fallen) {
  const Entry& entry = request_.changes[i].entry;
  const RelPath& partner = entry.IsLive() ? entry.moved_from : entry.moved_to;
  const size_t other = partner.IsRoot() ? kNone : IndexOf(partner);
  if (other != kNone && Accepted(other)) {
    Reject(other, RejectReason::kMovePartner, "the other half of the move was not accepted");
    fallen.push_back(other);
  }
  FS_ASSIGN_OR_RETURN(const EntryType type, TypeAfter(entry.path));
  if (const auto below = children_.find(i);
      below != children_.end() && type != EntryType::kDirectory) {
    for (const size_t child : below->second) {
      if (!planned[child].writes || !request_.changes[child].entry.IsLive()) continue;
      RejectForParent(child, entry.path);
      fallen.push_back(child);
    }
  }
  // What stands here stays: so does the directory that holds it.
  const size_t above = IndexOf(entry.path.Parent());
  if (planned[i].current.IsLive() && above != kNone && planned[above].writes &&
      RemovesDirectory(above)) {
    RejectAsOccupied(above);
    fallen.push_back(above);
  }
  return absl::OkStatus();
}

// False when it fell: the other half of its move has to be there, and to be accepted.
bool CommitPlan::HasItsMovePartner(size_t i) {
  const Entry& entry = request_.changes[i].entry;
  const RelPath& partner = entry.IsLive() ? entry.moved_from : entry.moved_to;
  if (partner.IsRoot()) return true;
  const size_t other = IndexOf(partner);
  if (other == kNone) {
    Reject(i, RejectReason::kMalformed, "the other half of the move is not in the batch");
    return false;
  }
  const Entry& half = request_.changes[other].entry;
  const RelPath& back = half.IsLive() ? half.moved_from : half.moved_to;
  if (half.IsLive() == entry.IsLive() || back != entry.path) {
    Reject(i, RejectReason::kMalformed, "the halves of the move do not name each other");
    return false;
  }
  if (Accepted(other)) return true;
  Reject(i, RejectReason::kMovePartner, "the other half of the move was not accepted");
  return false;
}

bool CommitPlan::RemovesDirectory(size_t i) const {
  return planned[i].current.type == EntryType::kDirectory &&
         request_.changes[i].entry.type != EntryType::kDirectory;
}

void CommitPlan::RejectForParent(size_t i, const RelPath& above) {
  Reject(i, RejectReason::kParentMissing,
         fmt::format("{} is not a directory in the folder", above.ForPeople()));
}

void CommitPlan::RejectAsOccupied(size_t i) {
  Reject(i, RejectReason::kNotEmpty, "the directory holds entries in the folder");
}

absl::StatusOr<bool> CommitPlan::CheckTreeOf(size_t i) {
  const Entry& entry = request_.changes[i].entry;
  // Of what is further up the directory above was valid before, or is looked at itself.
  const RelPath above = entry.path.Parent();
  if (entry.IsLive() && !above.IsRoot()) {
    FS_ASSIGN_OR_RETURN(const EntryType type, TypeAfter(above));
    if (type != EntryType::kDirectory) {
      RejectForParent(i, above);
      return true;
    }
  }
  if (!RemovesDirectory(i)) return false;
  FS_ASSIGN_OR_RETURN(const bool occupied, HasLiveChildAfter(entry.path));
  if (occupied) RejectAsOccupied(i);
  return occupied;
}

absl::StatusOr<EntryType> CommitPlan::TypeAfter(const RelPath& path) {
  const size_t i = IndexOf(path);
  if (i != kNone) {
    return planned[i].writes ? request_.changes[i].entry.type : planned[i].current.type;
  }
  const auto known = stored_types_.find(path);
  if (known != stored_types_.end()) return known->second;
  const absl::StatusOr<std::string> value =
      kv_->Get(keys::kEntries, keys::Entry(request_.folder, path));
  EntryType type = EntryType::kTombstone;
  if (value.ok()) {
    FS_ASSIGN_OR_RETURN(const Entry entry, records::DecodeEntry(path, *value));
    type = entry.type;
  } else if (!absl::IsNotFound(value.status())) {
    return value.status();
  }
  stored_types_[path] = type;
  return type;
}

// Looks at what is right in it, and passes over what is further down: that is only live where what
// holds it is.
absl::StatusOr<bool> CommitPlan::HasLiveChildAfter(const RelPath& directory) {
  const std::string prefix = keys::EntriesBelow(request_.folder, directory);
  const std::unique_ptr<KvIterator> iterator = kv_->Iterate(keys::kEntries);
  iterator->Seek(prefix);
  while (iterator->Valid() && iterator->key().starts_with(prefix)) {
    FS_ASSIGN_OR_RETURN(const RelPath path, RelPath::FromSortKey(iterator->key().substr(8)));
    const size_t i = IndexOf(path);
    if (i != kNone) {
      const Entry& after = planned[i].writes ? request_.changes[i].entry : planned[i].current;
      if (after.IsLive()) return true;
    } else {
      FS_ASSIGN_OR_RETURN(const Entry entry, records::DecodeEntry(path, iterator->value()));
      if (entry.IsLive()) return true;
    }
    const std::string below = keys::EntriesBelow(request_.folder, path);
    iterator->Next();
    if (iterator->Valid() && iterator->key().starts_with(below)) {
      iterator->Seek(keys::PastBelow(request_.folder, path));
    }
  }
  return iterator->status().ok() ? absl::StatusOr<bool>(false) : iterator->status();
}

}  // namespace filesync
