#include "libs/metadata/records.h"

#include "filesync/storage/v1/storage.pb.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/content/hasher.h"

namespace filesync::records {
namespace {

namespace storage = filesync::storage::v1;

template <typename Message>
absl::StatusOr<Message> Parse(std::string_view bytes, std::string_view what) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return DataLoss("the store holds a damaged {}", what);
  }
  return message;
}

absl::StatusOr<RelPath> ParsePath(const std::string& bytes) {
  absl::StatusOr<RelPath> path = RelPath::Parse(bytes);
  if (!path.ok()) {
    return DataLoss("the store holds a damaged path: {}", ToStd(path.status().message()));
  }
  return path;
}

void ToStored(const Attributes& attributes, storage::StoredEntry* stored) {
  if (attributes.owner != nullptr) {
    storage::StoredOwner* owner = stored->mutable_owner();
    owner->set_user(attributes.owner->user);
    owner->set_group(attributes.owner->group);
    owner->set_uid(attributes.owner->uid);
    owner->set_gid(attributes.owner->gid);
  }
  if (attributes.xattrs == nullptr) return;
  storage::StoredXattrs* xattrs = stored->mutable_xattrs();
  for (const auto& [name, value] : *attributes.xattrs) {
    storage::StoredXattr* xattr = xattrs->add_xattrs();
    xattr->set_name(name);
    xattr->set_value(value);
  }
}

Attributes AttributesFrom(const storage::StoredEntry& stored) {
  Attributes attributes;
  if (stored.has_owner()) {
    const storage::StoredOwner& owner = stored.owner();
    attributes.owner =
        std::make_shared<const Owner>(Owner{owner.user(), owner.group(), owner.uid(), owner.gid()});
  }
  if (!stored.has_xattrs()) return attributes;
  Xattrs xattrs;
  for (const storage::StoredXattr& xattr : stored.xattrs().xattrs()) {
    xattrs[xattr.name()] = xattr.value();
  }
  attributes.xattrs = std::make_shared<const Xattrs>(std::move(xattrs));
  return attributes;
}

void ToStored(const Entry& entry, storage::StoredEntry* stored) {
  stored->set_type(static_cast<uint32_t>(entry.type));
  stored->set_mode(entry.mode);
  stored->set_mtime_ns(entry.mtime_ns);
  stored->set_symlink_target(entry.symlink_target);
  stored->set_version(entry.version);
  stored->set_moved_to(entry.moved_to.bytes());
  stored->set_moved_from(entry.moved_from.bytes());
  stored->set_author(entry.author);
  stored->set_committed_at_ns(entry.committed_at_ns);
  ToStored(entry.attributes, stored);
  if (entry.type != EntryType::kFile) return;
  storage::StoredContent* content = stored->mutable_content();
  content->set_size(entry.content.size);
  content->set_average_size(entry.content.average_size);
  content->set_depth(entry.content.depth);
  content->set_hash(std::string(entry.content.hash.bytes()));
  for (const ChunkRef& ref : entry.content.refs) {
    storage::StoredChunkRef* out = content->add_refs();
    out->set_id(std::string(ref.id.bytes()));
    out->set_size(ref.size);
  }
}

absl::StatusOr<Entry> FromStored(const RelPath& path, const storage::StoredEntry& stored) {
  Entry entry;
  entry.path = path;
  if (stored.type() > static_cast<uint32_t>(EntryType::kSymlink)) {
    return DataLoss("the store holds an entry of the unknown type {}", stored.type());
  }
  entry.type = static_cast<EntryType>(stored.type());
  entry.mode = stored.mode();
  entry.mtime_ns = stored.mtime_ns();
  entry.symlink_target = stored.symlink_target();
  entry.version = stored.version();
  FS_ASSIGN_OR_RETURN(entry.moved_to, ParsePath(stored.moved_to()));
  FS_ASSIGN_OR_RETURN(entry.moved_from, ParsePath(stored.moved_from()));
  entry.author = stored.author();
  entry.committed_at_ns = stored.committed_at_ns();
  entry.attributes = AttributesFrom(stored);
  if (entry.type != EntryType::kFile) return entry;
  const storage::StoredContent& content = stored.content();
  entry.content.size = content.size();
  entry.content.average_size = content.average_size();
  entry.content.depth = content.depth();
  const auto hash = ContentHash::FromBytes(content.hash());
  if (!hash.has_value()) return DataLoss("the store holds a file without a content hash");
  entry.content.hash = *hash;
  entry.content.refs.reserve(content.refs_size());
  for (const storage::StoredChunkRef& ref : content.refs()) {
    const auto id = ChunkId::FromBytes(ref.id());
    if (!id.has_value()) return DataLoss("the store holds a chunk id that is not 32 bytes");
    entry.content.refs.push_back({*id, ref.size()});
  }
  return entry;
}

void ToStored(const ConflictSide& side, storage::StoredConflictSide* stored) {
  stored->set_type(static_cast<uint32_t>(side.type));
  stored->set_size(side.size);
  stored->set_mtime_ns(side.mtime_ns);
  stored->set_short_hash(side.short_hash);
  stored->set_version(side.version);
  stored->set_author(side.author);
}

absl::StatusOr<ConflictSide> FromStored(const storage::StoredConflictSide& stored) {
  if (stored.type() > static_cast<uint32_t>(EntryType::kSymlink)) {
    return DataLoss("the store holds a conflict of the unknown type {}", stored.type());
  }
  return ConflictSide{static_cast<EntryType>(stored.type()),
                      stored.size(),
                      stored.mtime_ns(),
                      stored.short_hash(),
                      stored.version(),
                      stored.author()};
}

}  // namespace

std::string Encode(const Entry& entry, const RelPath& conflict_of) {
  storage::StoredEntry stored;
  ToStored(entry, &stored);
  stored.set_conflict_of(conflict_of.bytes());
  return stored.SerializeAsString();
}

absl::StatusOr<Entry> DecodeEntry(const RelPath& path, std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredEntry>(bytes, "entry"));
  return FromStored(path, stored);
}

std::string Encode(const HistoryRecord& record) {
  storage::StoredHistory stored;
  ToStored(record.entry, stored.mutable_entry());
  stored.set_superseded_by(record.superseded_by);
  stored.set_superseded_at_ns(record.superseded_at_ns);
  return stored.SerializeAsString();
}

absl::StatusOr<HistoryRecord> DecodeHistory(const RelPath& path, std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredHistory>(bytes, "history record"));
  HistoryRecord record;
  FS_ASSIGN_OR_RETURN(record.entry, FromStored(path, stored.entry()));
  record.superseded_by = stored.superseded_by();
  record.superseded_at_ns = stored.superseded_at_ns();
  return record;
}

std::string Encode(const ChangeRow& row) {
  storage::StoredChange stored;
  stored.set_path(row.path.bytes());
  stored.set_commit_last_version(row.commit_last_version);
  return stored.SerializeAsString();
}

absl::StatusOr<ChangeRow> DecodeChange(std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredChange>(bytes, "change"));
  ChangeRow row;
  FS_ASSIGN_OR_RETURN(row.path, ParsePath(stored.path()));
  row.commit_last_version = stored.commit_last_version();
  return row;
}

std::string Encode(const FolderInfo& folder) {
  storage::StoredFolder stored;
  stored.set_name(folder.name);
  stored.set_head_version(folder.head_version);
  stored.set_live_entries(folder.live_entries);
  stored.set_live_bytes(folder.live_bytes);
  stored.set_created_at_ns(folder.created_at_ns);
  if (folder.rules != nullptr) stored.set_rules(*folder.rules);
  stored.set_forgotten_through(folder.forgotten_through);
  return stored.SerializeAsString();
}

absl::StatusOr<FolderInfo> DecodeFolder(FolderId id, std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredFolder>(bytes, "folder"));
  FolderInfo folder;
  folder.id = id;
  folder.name = stored.name();
  folder.head_version = stored.head_version();
  folder.live_entries = stored.live_entries();
  folder.live_bytes = stored.live_bytes();
  folder.created_at_ns = stored.created_at_ns();
  folder.forgotten_through = stored.forgotten_through();
  if (!stored.rules().empty()) folder.rules = std::make_shared<const std::string>(stored.rules());
  return folder;
}

namespace {

// Of all that was asked for, as it is stored.
std::string DigestOf(const std::vector<Change>& changes) {
  std::string digest;
  for (const Change& change : changes) {
    std::string bytes = std::move(digest);
    AppendBigEndian64(bytes, change.base_version);
    AppendBigEndian32(bytes, static_cast<uint32_t>(change.entry.path.bytes().size()));
    bytes.append(change.entry.path.bytes());
    bytes.append(Encode(change.entry, change.conflict_of));
    digest = std::string(HashChunk(ChunkKind::kData, bytes).bytes());
  }
  return digest;
}

}  // namespace

std::string Encode(const CommitResult& result, const std::vector<Change>& changes) {
  storage::StoredBatch stored;
  stored.set_head_version(result.head_version);
  stored.set_digest(DigestOf(changes));
  for (const ChangeOutcome& outcome : result.outcomes) {
    storage::StoredOutcome* out = stored.add_outcomes();
    out->set_kind(static_cast<uint32_t>(outcome.kind));
    out->set_version(outcome.version);
    if (outcome.current.has_value()) ToStored(*outcome.current, out->mutable_current());
    for (const ChunkId& id : outcome.missing) out->add_missing(std::string(id.bytes()));
    out->set_content_of_version(outcome.content_of_version);
    out->set_reason(static_cast<uint32_t>(outcome.reason));
    out->set_message(outcome.message);
  }
  return stored.SerializeAsString();
}

absl::StatusOr<CommitResult> DecodeBatch(std::string_view bytes,
                                         const std::vector<Change>& changes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredBatch>(bytes, "batch outcome"));
  const bool same = static_cast<size_t>(stored.outcomes_size()) == changes.size() &&
                    (stored.digest().empty() || stored.digest() == DigestOf(changes));
  if (!same) return InvalidArgument("the batch number was used for another batch");
  CommitResult result;
  result.head_version = stored.head_version();
  result.repeated = true;
  for (int i = 0; i < stored.outcomes_size(); ++i) {
    const storage::StoredOutcome& in = stored.outcomes(i);
    ChangeOutcome outcome;
    outcome.kind = static_cast<ChangeOutcome::Kind>(in.kind());
    outcome.version = in.version();
    if (in.has_current()) {
      FS_ASSIGN_OR_RETURN(Entry current, FromStored(changes[i].entry.path, in.current()));
      outcome.current = std::move(current);
    }
    for (const std::string& id : in.missing()) {
      outcome.missing.push_back(ChunkId::FromBytes(id).value_or(ChunkId()));
    }
    outcome.content_of_version = in.content_of_version();
    outcome.reason = static_cast<RejectReason>(in.reason());
    outcome.message = in.message();
    result.outcomes.push_back(std::move(outcome));
  }
  return result;
}

std::string Encode(const AgentRecord& agent) {
  storage::StoredAgent stored;
  stored.set_name(agent.name);
  stored.set_incarnation(agent.cursor.incarnation);
  stored.set_version(agent.cursor.version);
  stored.set_last_seen_ns(agent.last_seen_ns);
  stored.set_had_version(agent.had_version);
  stored.set_absent_ns(agent.absent_ns);
  return stored.SerializeAsString();
}

absl::StatusOr<AgentRecord> DecodeAgent(FolderId folder, std::string_view id,
                                        std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredAgent>(bytes, "agent"));
  AgentRecord agent;
  agent.id = std::string(id);
  agent.folder = folder;
  agent.name = stored.name();
  agent.cursor = {stored.incarnation(), stored.version()};
  agent.last_seen_ns = stored.last_seen_ns();
  agent.had_version = std::max(stored.had_version(), stored.version());
  agent.absent_ns = stored.absent_ns();
  return agent;
}

std::string Encode(const ConflictRecord& record) {
  storage::StoredConflict stored;
  if (!record.conflict.path.IsRoot()) {
    ToStored(record.conflict.local, stored.mutable_local());
    ToStored(record.conflict.remote, stored.mutable_remote());
  }
  stored.set_base_version(record.conflict.base_version);
  stored.set_since_ns(record.since_ns);
  stored.set_agent_name(record.agent_name);
  stored.set_omitted(record.omitted);
  return stored.SerializeAsString();
}

absl::StatusOr<ConflictRecord> DecodeConflict(const RelPath& path, std::string_view agent_id,
                                              std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredConflict>(bytes, "conflict"));
  ConflictRecord record;
  record.conflict.path = path;
  FS_ASSIGN_OR_RETURN(record.conflict.local, FromStored(stored.local()));
  FS_ASSIGN_OR_RETURN(record.conflict.remote, FromStored(stored.remote()));
  record.conflict.base_version = stored.base_version();
  record.agent_id = std::string(agent_id);
  record.agent_name = stored.agent_name();
  record.since_ns = stored.since_ns();
  record.omitted = stored.omitted();
  return record;
}

std::string Encode(const Incarnation& incarnation, int64_t started_at_ns, bool after_clean_stop) {
  storage::StoredIncarnation stored;
  stored.set_id(incarnation.id);
  stored.set_first_version(incarnation.first_version);
  stored.set_started_at_ns(started_at_ns);
  stored.set_after_clean_stop(after_clean_stop);
  return stored.SerializeAsString();
}

absl::StatusOr<Incarnation> DecodeIncarnation(std::string_view bytes) {
  FS_ASSIGN_OR_RETURN(const auto stored, Parse<storage::StoredIncarnation>(bytes, "incarnation"));
  return Incarnation{stored.id(), stored.first_version()};
}

}  // namespace filesync::records
