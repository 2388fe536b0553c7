#include "libs/wire/convert.h"

#include <limits>

#include "libs/base/status.h"
#include "libs/chunking/content_list.h"
#include "libs/chunking/fast_cdc.h"
#include "libs/content/frame.h"
#include "libs/paths/utf8.h"
#include "libs/wire/parse.h"

namespace filesync {
namespace {

// Years 1678 to 2261: what leaves room to compare and to add minutes without overflow.
constexpr int64_t kMaxTimeNs = 9'200'000'000'000'000'000;
constexpr uint32_t kModeBits = 0777;

std::string Bytes(std::string_view bytes) { return std::string(bytes); }

absl::Status CheckTime(int64_t ns, std::string_view what) {
  if (ns >= -kMaxTimeNs && ns <= kMaxTimeNs) return absl::OkStatus();
  return InvalidArgument("{} {} is out of range", what, ns);
}

absl::StatusOr<EntryType> ParseType(v1::EntryType type) {
  switch (type) {
    case v1::ENTRY_TYPE_TOMBSTONE:
      return EntryType::kTombstone;
    case v1::ENTRY_TYPE_FILE:
      return EntryType::kFile;
    case v1::ENTRY_TYPE_DIRECTORY:
      return EntryType::kDirectory;
    case v1::ENTRY_TYPE_SYMLINK:
      return EntryType::kSymlink;
    default:
      return InvalidArgument("unknown entry type {}", static_cast<int>(type));
  }
}

v1::EntryType TypeToProto(EntryType type) {
  switch (type) {
    case EntryType::kTombstone:
      return v1::ENTRY_TYPE_TOMBSTONE;
    case EntryType::kFile:
      return v1::ENTRY_TYPE_FILE;
    case EntryType::kDirectory:
      return v1::ENTRY_TYPE_DIRECTORY;
    case EntryType::kSymlink:
      return v1::ENTRY_TYPE_SYMLINK;
  }
  return v1::ENTRY_TYPE_UNSPECIFIED;
}

bool CarriesMode(EntryType type) {
  return type == EntryType::kFile || type == EntryType::kDirectory;
}

bool CarriesMtime(EntryType type) {
  return type == EntryType::kFile || type == EntryType::kSymlink;
}

absl::Status CheckContentShape(const Content& content) {
  if (content.depth > kMaxListDepth) {
    return InvalidArgument("content list depth {} is above {}", content.depth, kMaxListDepth);
  }
  if (content.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return InvalidArgument("file size {} is out of range", content.size);
  }
  if (content.size == 0) {
    if (!content.refs.empty() || content.depth != 0) {
      return InvalidArgument("the content of an empty file names chunks");
    }
    if (content.average_size == 0) return absl::OkStatus();
  }
  if (!ChunkSizes::IsValidAverage(content.average_size)) {
    return InvalidArgument("{} is no average chunk size", content.average_size);
  }
  if (content.depth > 0 && content.refs.empty()) {
    return InvalidArgument("a content list of depth {} names no pieces", content.depth);
  }
  if (content.depth > 0) return absl::OkStatus();
  uint64_t sum = 0;
  for (const ChunkRef& ref : content.refs) sum += ref.size;
  if (sum != content.size) {
    return InvalidArgument("chunk sizes add up to {}, not to the file's size {}", sum,
                           content.size);
  }
  return absl::OkStatus();
}

void AttributesToProto(const Attributes& attributes, v1::Entry* proto) {
  if (attributes.owner != nullptr) {
    v1::Owner* owner = proto->mutable_owner();
    owner->set_user(attributes.owner->user);
    owner->set_group(attributes.owner->group);
    owner->set_uid(attributes.owner->uid);
    owner->set_gid(attributes.owner->gid);
  }
  if (attributes.xattrs == nullptr) return;
  v1::Xattrs* xattrs = proto->mutable_xattrs();
  for (const auto& [name, value] : *attributes.xattrs) {
    v1::Xattr* xattr = xattrs->add_xattrs();
    xattr->set_name(name);
    xattr->set_value(value);
  }
}

absl::Status ReadAttributes(const v1::Entry& proto, Entry& entry) {
  if (proto.has_owner()) {
    if (!entry.IsLive()) return InvalidArgument("a tombstone carries an owner");
    const v1::Owner& owner = proto.owner();
    entry.attributes.owner =
        std::make_shared<const Owner>(Owner{owner.user(), owner.group(), owner.uid(), owner.gid()});
  }
  if (proto.has_xattrs()) {
    if (!CarriesMode(entry.type)) {
      return InvalidArgument("a {} carries extended attributes", EntryTypeName(entry.type));
    }
    if (static_cast<size_t>(proto.xattrs().xattrs_size()) > kMaxXattrs) {
      return InvalidArgument("an entry carries {} extended attributes, more than {}",
                             proto.xattrs().xattrs_size(), kMaxXattrs);
    }
    Xattrs xattrs;
    for (const v1::Xattr& xattr : proto.xattrs().xattrs()) {
      if (!xattrs.try_emplace(xattr.name(), xattr.value()).second) {
        return InvalidArgument("an extended attribute is named twice");
      }
    }
    entry.attributes.xattrs = std::make_shared<const Xattrs>(std::move(xattrs));
  }
  return CheckAttributes(entry.attributes);
}

// The fields that only entries of one type have.
absl::Status ReadTypedFields(const v1::Entry& proto, Entry& entry) {
  if (proto.has_content() != (entry.type == EntryType::kFile)) {
    return InvalidArgument("a {} {} content", EntryTypeName(entry.type),
                           proto.has_content() ? "carries" : "lacks");
  }
  if (proto.has_content()) {
    FS_ASSIGN_OR_RETURN(entry.content, FromProto(proto.content()));
  }
  const std::string& target = proto.symlink_target();
  if (entry.type == EntryType::kSymlink) {
    if (target.empty() || target.size() > kMaxSymlinkTargetBytes) {
      return InvalidArgument("a symlink target has {} bytes, not 1 to {}", target.size(),
                             kMaxSymlinkTargetBytes);
    }
    if (target.find('\0') != std::string::npos) {
      return InvalidArgument("a symlink target contains NUL");
    }
    entry.symlink_target = target;
  } else if (!target.empty()) {
    return InvalidArgument("a {} carries a symlink target", EntryTypeName(entry.type));
  }
  return absl::OkStatus();
}

absl::Status ReadMove(const v1::Entry& proto, Entry& entry) {
  FS_ASSIGN_OR_RETURN(entry.moved_to, ParsePath(proto.moved_to(), "moved_to"));
  FS_ASSIGN_OR_RETURN(entry.moved_from, ParsePath(proto.moved_from(), "moved_from"));
  if (!entry.moved_to.IsRoot() && entry.IsLive()) {
    return InvalidArgument("a live entry carries moved_to");
  }
  if (!entry.moved_from.IsRoot() && !entry.IsLive()) {
    return InvalidArgument("a tombstone carries moved_from");
  }
  if (entry.moved_to == entry.path || entry.moved_from == entry.path) {
    return InvalidArgument("a move from a path to itself");
  }
  return absl::OkStatus();
}

v1::RejectReason ReasonToProto(RejectReason reason) {
  switch (reason) {
    case RejectReason::kMalformed:
      return v1::REJECT_REASON_MALFORMED;
    case RejectReason::kParentMissing:
      return v1::REJECT_REASON_PARENT_MISSING;
    case RejectReason::kNotEmpty:
      return v1::REJECT_REASON_NOT_EMPTY;
    case RejectReason::kMovePartner:
      return v1::REJECT_REASON_MOVE_PARTNER;
  }
  return v1::REJECT_REASON_UNSPECIFIED;
}

absl::StatusOr<RejectReason> ParseReason(v1::RejectReason reason) {
  switch (reason) {
    case v1::REJECT_REASON_MALFORMED:
      return RejectReason::kMalformed;
    case v1::REJECT_REASON_PARENT_MISSING:
      return RejectReason::kParentMissing;
    case v1::REJECT_REASON_NOT_EMPTY:
      return RejectReason::kNotEmpty;
    case v1::REJECT_REASON_MOVE_PARTNER:
      return RejectReason::kMovePartner;
    default:
      return InvalidArgument("unknown reject reason {}", static_cast<int>(reason));
  }
}

}  // namespace

absl::StatusOr<ChunkId> ParseChunkId(std::string_view bytes) {
  const auto id = ChunkId::FromBytes(bytes);
  if (!id.has_value()) return InvalidArgument("a chunk id has {} bytes, not 32", bytes.size());
  return *id;
}

absl::StatusOr<RelPath> ParsePath(std::string_view bytes, std::string_view what) {
  absl::StatusOr<RelPath> path = RelPath::Parse(bytes);
  if (!path.ok()) {
    return InvalidArgument("{} \"{}\": {}", what, EscapeForPeople(bytes.substr(0, 256)),
                           ToStd(path.status().message()));
  }
  return path;
}

void ToProto(const Content& content, v1::Content* proto) {
  proto->set_size(content.size);
  proto->set_average_size(content.average_size);
  proto->set_depth(content.depth);
  proto->mutable_refs()->Reserve(static_cast<int>(content.refs.size()));
  for (const ChunkRef& ref : content.refs) {
    v1::ChunkRef* out = proto->add_refs();
    out->set_id(Bytes(ref.id.bytes()));
    out->set_size(ref.size);
  }
  proto->set_hash(Bytes(content.hash.bytes()));
}

absl::StatusOr<Content> FromProto(const v1::Content& proto) {
  Content content;
  content.size = proto.size();
  content.average_size = proto.average_size();
  content.depth = proto.depth();
  const auto hash = ContentHash::FromBytes(proto.hash());
  if (!hash.has_value()) {
    return InvalidArgument("a content hash has {} bytes, not 32", proto.hash().size());
  }
  content.hash = *hash;
  if (static_cast<size_t>(proto.refs_size()) > kMaxInlineRefs) {
    return InvalidArgument("a content names {} chunks, more than {}", proto.refs_size(),
                           kMaxInlineRefs);
  }
  content.refs.reserve(proto.refs_size());
  for (const v1::ChunkRef& ref : proto.refs()) {
    FS_ASSIGN_OR_RETURN(const ChunkId id, ParseChunkId(ref.id()));
    if (ref.size() == 0 || ref.size() > kMaxChunkSize) {
      return InvalidArgument("a chunk of {} bytes, not 1 to {}", ref.size(), kMaxChunkSize);
    }
    content.refs.push_back({id, ref.size()});
  }
  FS_RETURN_IF_ERROR(CheckContentShape(content));
  return content;
}

void ToProto(const Entry& entry, v1::Entry* proto) {
  proto->set_path(entry.path.bytes());
  proto->set_type(TypeToProto(entry.type));
  if (CarriesMode(entry.type)) proto->set_mode(entry.mode);
  if (CarriesMtime(entry.type)) proto->set_mtime_ns(entry.mtime_ns);
  if (entry.type == EntryType::kFile) ToProto(entry.content, proto->mutable_content());
  if (entry.type == EntryType::kSymlink) proto->set_symlink_target(entry.symlink_target);
  proto->set_version(entry.version);
  proto->set_moved_to(entry.moved_to.bytes());
  proto->set_moved_from(entry.moved_from.bytes());
  proto->set_author(entry.author);
  proto->set_committed_at_ns(entry.committed_at_ns);
  if (entry.IsLive()) AttributesToProto(entry.attributes, proto);
}

absl::StatusOr<Entry> FromProto(const v1::Entry& proto) {
  Entry entry;
  FS_ASSIGN_OR_RETURN(entry.path, ParsePath(proto.path(), "path"));
  if (entry.path.IsRoot()) return InvalidArgument("an entry without a path");
  FS_ASSIGN_OR_RETURN(entry.type, ParseType(proto.type()));
  if ((proto.mode() & ~kModeBits) != 0) {
    return InvalidArgument("mode {:#o} has other bits than permissions (0777)", proto.mode());
  }
  if (CarriesMode(entry.type)) entry.mode = proto.mode();
  FS_RETURN_IF_ERROR(CheckTime(proto.mtime_ns(), "modification time"));
  if (CarriesMtime(entry.type)) entry.mtime_ns = proto.mtime_ns();
  FS_RETURN_IF_ERROR(ReadAttributes(proto, entry));
  FS_RETURN_IF_ERROR(ReadTypedFields(proto, entry));
  FS_RETURN_IF_ERROR(ReadMove(proto, entry));
  entry.version = proto.version();
  if (!proto.author().empty()) FS_RETURN_IF_ERROR(ValidateAgentId(proto.author()));
  entry.author = proto.author();
  FS_RETURN_IF_ERROR(CheckTime(proto.committed_at_ns(), "time of commit"));
  entry.committed_at_ns = proto.committed_at_ns();
  return entry;
}

void ToProto(const Change& change, v1::Change* proto) {
  ToProto(change.entry, proto->mutable_entry());
  proto->set_base_version(change.base_version);
  proto->set_conflict_of(change.conflict_of.bytes());
}

absl::StatusOr<Change> FromProto(const v1::Change& proto) {
  Change change;
  FS_ASSIGN_OR_RETURN(change.entry, FromProto(proto.entry()));
  change.entry.version = 0;
  change.entry.author.clear();
  change.entry.committed_at_ns = 0;
  change.base_version = proto.base_version();
  FS_ASSIGN_OR_RETURN(change.conflict_of, ParsePath(proto.conflict_of(), "conflict_of"));
  return change;
}

void ToProto(const ChangeOutcome& outcome, v1::ChangeOutcome* proto) {
  switch (outcome.kind) {
    case ChangeOutcome::Kind::kAccepted:
      proto->mutable_accepted()->set_version(outcome.version);
      return;
    case ChangeOutcome::Kind::kSuperseded:
      if (outcome.current.has_value()) {
        ToProto(*outcome.current, proto->mutable_superseded()->mutable_current());
      }
      proto->mutable_superseded()->set_content_of_version(outcome.content_of_version);
      return;
    case ChangeOutcome::Kind::kMissingChunks: {
      v1::MissingChunks* missing = proto->mutable_missing_chunks();
      for (const ChunkId& id : outcome.missing) {
        // The rest is answered when these have been uploaded.
        if (static_cast<size_t>(missing->ids_size()) == kMaxIdsPerMessage) break;
        missing->add_ids(Bytes(id.bytes()));
      }
      return;
    }
    case ChangeOutcome::Kind::kRejected:
      proto->mutable_rejected()->set_reason(ReasonToProto(outcome.reason));
      proto->mutable_rejected()->set_message(outcome.message);
      return;
  }
}

absl::StatusOr<ChangeOutcome> FromProto(const v1::ChangeOutcome& proto) {
  ChangeOutcome outcome;
  switch (proto.outcome_case()) {
    case v1::ChangeOutcome::kAccepted:
      outcome.kind = ChangeOutcome::Kind::kAccepted;
      outcome.version = proto.accepted().version();
      return outcome;
    case v1::ChangeOutcome::kSuperseded: {
      outcome.kind = ChangeOutcome::Kind::kSuperseded;
      FS_ASSIGN_OR_RETURN(outcome.current, FromProto(proto.superseded().current()));
      outcome.content_of_version = proto.superseded().content_of_version();
      return outcome;
    }
    case v1::ChangeOutcome::kMissingChunks: {
      outcome.kind = ChangeOutcome::Kind::kMissingChunks;
      FS_ASSIGN_OR_RETURN(outcome.missing, ChunkIdsFromProto(proto.missing_chunks().ids()));
      return outcome;
    }
    case v1::ChangeOutcome::kRejected: {
      outcome.kind = ChangeOutcome::Kind::kRejected;
      FS_ASSIGN_OR_RETURN(outcome.reason, ParseReason(proto.rejected().reason()));
      outcome.message = proto.rejected().message();
      return outcome;
    }
    case v1::ChangeOutcome::OUTCOME_NOT_SET:
      break;
  }
  return InvalidArgument("a change's outcome is not set");
}

void ToProto(const Cursor& cursor, v1::Cursor* proto) {
  proto->set_incarnation(cursor.incarnation);
  proto->set_version(cursor.version);
}

absl::StatusOr<Cursor> FromProto(const v1::Cursor& proto) {
  if (proto.incarnation().empty()) {
    if (proto.version() == 0) return Cursor{};
    return InvalidArgument("a cursor has version {} but no incarnation", proto.version());
  }
  if (proto.incarnation().size() != kIncarnationIdBytes) {
    return InvalidArgument("an incarnation id has {} bytes, not {}", proto.incarnation().size(),
                           kIncarnationIdBytes);
  }
  return Cursor{proto.incarnation(), proto.version()};
}

void ToProto(const Incarnation& incarnation, v1::Incarnation* proto) {
  proto->set_id(incarnation.id);
  proto->set_first_version(incarnation.first_version);
}

absl::StatusOr<Incarnation> FromProto(const v1::Incarnation& proto) {
  if (proto.id().size() != kIncarnationIdBytes) {
    return InvalidArgument("an incarnation id has {} bytes, not {}", proto.id().size(),
                           kIncarnationIdBytes);
  }
  return Incarnation{proto.id(), proto.first_version()};
}

absl::StatusOr<HelloFields> FromProto(const v1::Hello& proto) {
  if (proto.protocol() == 0) return InvalidArgument("Hello names no protocol version");
  FS_RETURN_IF_ERROR(ValidateAgentId(proto.agent_id()));
  FS_RETURN_IF_ERROR(ValidateReadableName(proto.agent_name(), kMaxAgentNameBytes, "agent name"));
  FS_RETURN_IF_ERROR(ValidateReadableName(proto.folder(), kMaxFolderNameBytes, "folder name"));
  if (!proto.software().empty()) {
    FS_RETURN_IF_ERROR(ValidateReadableName(proto.software(), kMaxSoftwareBytes, "software"));
  }
  HelloFields hello;
  FS_ASSIGN_OR_RETURN(hello.cursor, FromProto(proto.cursor()));
  hello.agent_id = proto.agent_id();
  hello.agent_name = proto.agent_name();
  hello.folder = proto.folder();
  hello.create_folder = proto.create_folder();
  hello.software = proto.software();
  hello.observe = proto.observe();
  hello.upcoming = proto.upcoming();
  return hello;
}

absl::Status ValidateAgentId(std::string_view id) {
  if (id.size() == kAgentIdBytes) return absl::OkStatus();
  return InvalidArgument("an agent id has {} bytes, not {}", id.size(), kAgentIdBytes);
}

absl::Status ValidateReadableName(std::string_view name, size_t max_bytes, std::string_view what) {
  if (name.empty() || name.size() > max_bytes) {
    return InvalidArgument("{}: {} bytes, not 1 to {}", what, name.size(), max_bytes);
  }
  for (std::string_view rest = name; !rest.empty();) {
    const CodePoint point = DecodeUtf8(rest);
    if (point.length == 0) return InvalidArgument("{}: not UTF-8", what);
    if (point.value < 0x20 || (point.value >= 0x7f && point.value < 0xa0) ||
        IsInvisible(point.value)) {
      return InvalidArgument("{}: contains a character that does not print", what);
    }
    rest.remove_prefix(point.length);
  }
  return absl::OkStatus();
}

}  // namespace filesync
