#include "agent/engine/state/encoding.h"

#include <utility>

#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// Takes values off the front of a byte string; once something is short, ok() stays false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return rest_.empty(); }

  std::string_view Bytes(size_t size) {
    if (rest_.size() < size) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  uint8_t U8() {
    const std::string_view bytes = Bytes(1);
    return ok_ ? static_cast<uint8_t>(bytes.front()) : 0;
  }
  // The next byte without taking it; 0 at the end.
  uint8_t Peek() const { return rest_.empty() ? 0 : static_cast<uint8_t>(rest_.front()); }
  uint32_t U32() {
    const std::string_view bytes = Bytes(4);
    return ok_ ? ReadBigEndian32(bytes.data()) : 0;
  }
  uint64_t U64() {
    const std::string_view bytes = Bytes(8);
    return ok_ ? ReadBigEndian64(bytes.data()) : 0;
  }
  std::string_view Sized() { return Bytes(U32()); }
  template <typename Hash>
  Hash Id() {
    return Hash::FromBytes(Bytes(Hash::kSize)).value_or(Hash());
  }
  RelPath Path() {
    absl::StatusOr<RelPath> path = RelPath::Parse(Sized());
    if (!path.ok()) {
      ok_ = false;
      return RelPath();
    }
    return *std::move(path);
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void AppendSized(std::string& out, std::string_view bytes) {
  AppendBigEndian32(out, static_cast<uint32_t>(bytes.size()));
  out.append(bytes);
}

void AppendContent(std::string& out, const Content& content) {
  AppendBigEndian64(out, content.size);
  AppendBigEndian32(out, content.average_size);
  AppendBigEndian32(out, content.depth);
  out.append(content.hash.bytes());
  AppendBigEndian32(out, static_cast<uint32_t>(content.refs.size()));
  for (const ChunkRef& ref : content.refs) {
    out.append(ref.id.bytes());
    AppendBigEndian32(out, ref.size);
  }
}

Content ReadContent(Reader& reader) {
  Content content;
  content.size = reader.U64();
  content.average_size = reader.U32();
  content.depth = reader.U32();
  content.hash = reader.Id<ContentHash>();
  const uint32_t count = reader.U32();
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    ChunkRef ref;
    ref.id = reader.Id<ChunkId>();
    ref.size = reader.U32();
    content.refs.push_back(ref);
  }
  return content;
}

// Beside the type of an entry that has attributes, which then stand at its end.
constexpr uint32_t kHasAttributes = 0x100;
// What attributes say something of.
constexpr uint8_t kOwner = 1;
constexpr uint8_t kXattrs = 2;
// Changes with local metadata; what was written before them begins with a path's length, and so
// with 0.
constexpr uint8_t kWithMetadata = 1;
constexpr uint32_t kUnknownMode = ~uint32_t{0};

void AppendAttributes(std::string& out, const Attributes& attributes) {
  uint8_t parts = 0;
  if (attributes.owner != nullptr) parts |= kOwner;
  if (attributes.xattrs != nullptr) parts |= kXattrs;
  out.push_back(static_cast<char>(parts));
  if (attributes.owner != nullptr) {
    AppendSized(out, attributes.owner->user);
    AppendSized(out, attributes.owner->group);
    AppendBigEndian32(out, attributes.owner->uid);
    AppendBigEndian32(out, attributes.owner->gid);
  }
  if (attributes.xattrs == nullptr) return;
  AppendBigEndian32(out, static_cast<uint32_t>(attributes.xattrs->size()));
  for (const auto& [name, value] : *attributes.xattrs) {
    AppendSized(out, name);
    AppendSized(out, value);
  }
}

Attributes ReadAttributes(Reader& reader) {
  Attributes attributes;
  const uint8_t parts = reader.U8();
  if ((parts & kOwner) != 0) {
    Owner owner;
    owner.user = std::string(reader.Sized());
    owner.group = std::string(reader.Sized());
    owner.uid = reader.U32();
    owner.gid = reader.U32();
    attributes.owner = std::make_shared<const Owner>(std::move(owner));
  }
  if ((parts & kXattrs) == 0) return attributes;
  Xattrs xattrs;
  const uint32_t count = reader.U32();
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    std::string name(reader.Sized());
    xattrs[std::move(name)] = std::string(reader.Sized());
  }
  attributes.xattrs = std::make_shared<const Xattrs>(std::move(xattrs));
  return attributes;
}

void AppendEntry(std::string& out, const Entry& entry) {
  AppendSized(out, entry.path.bytes());
  const bool attributes = entry.attributes.SaySomething();
  AppendBigEndian32(out, static_cast<uint32_t>(entry.type) | (attributes ? kHasAttributes : 0));
  AppendBigEndian32(out, entry.mode);
  AppendBigEndian64(out, static_cast<uint64_t>(entry.mtime_ns));
  AppendBigEndian64(out, entry.version);
  AppendSized(out, entry.symlink_target);
  AppendSized(out, entry.moved_to.bytes());
  AppendSized(out, entry.moved_from.bytes());
  AppendSized(out, entry.author);
  AppendBigEndian64(out, static_cast<uint64_t>(entry.committed_at_ns));
  if (entry.type == EntryType::kFile) AppendContent(out, entry.content);
  if (attributes) AppendAttributes(out, entry.attributes);
}

Entry ReadEntry(Reader& reader) {
  Entry entry;
  entry.path = reader.Path();
  const uint32_t type = reader.U32();
  entry.type = static_cast<EntryType>(type & ~kHasAttributes);
  entry.mode = reader.U32();
  entry.mtime_ns = static_cast<int64_t>(reader.U64());
  entry.version = reader.U64();
  entry.symlink_target = std::string(reader.Sized());
  entry.moved_to = reader.Path();
  entry.moved_from = reader.Path();
  entry.author = std::string(reader.Sized());
  entry.committed_at_ns = static_cast<int64_t>(reader.U64());
  if (entry.type == EntryType::kFile) entry.content = ReadContent(reader);
  if ((type & kHasAttributes) != 0) entry.attributes = ReadAttributes(reader);
  return entry;
}

absl::Status CheckEnd(const Reader& reader, std::string_view what) {
  if (reader.ok() && reader.AtEnd()) return absl::OkStatus();
  return DataLoss("the state file holds a damaged {}", what);
}

}  // namespace

std::string EncodeContent(const Content& content) {
  std::string out;
  AppendContent(out, content);
  return out;
}

absl::StatusOr<Content> DecodeContent(std::string_view bytes) {
  Reader reader(bytes);
  Content content = ReadContent(reader);
  FS_RETURN_IF_ERROR(CheckEnd(reader, "content list"));
  return content;
}

std::string EncodeEntry(const Entry& entry) {
  std::string out;
  AppendEntry(out, entry);
  return out;
}

absl::StatusOr<Entry> DecodeEntry(std::string_view bytes) {
  Reader reader(bytes);
  Entry entry = ReadEntry(reader);
  FS_RETURN_IF_ERROR(CheckEnd(reader, "entry"));
  return entry;
}

std::string EncodeAttributes(const Attributes& attributes) {
  std::string out;
  if (attributes.SaySomething()) AppendAttributes(out, attributes);
  return out;
}

absl::StatusOr<Attributes> DecodeAttributes(std::string_view bytes) {
  if (bytes.empty()) return Attributes();
  Reader reader(bytes);
  Attributes attributes = ReadAttributes(reader);
  FS_RETURN_IF_ERROR(CheckEnd(reader, "owner or extended attributes"));
  return attributes;
}

std::string EncodePendingChanges(const std::vector<PendingChange>& changes) {
  std::string out(1, static_cast<char>(kWithMetadata));
  for (const PendingChange& pending : changes) {
    AppendEntry(out, pending.change.entry);
    AppendBigEndian64(out, pending.change.base_version);
    AppendSized(out, pending.change.conflict_of.bytes());
    AppendBigEndian64(out, pending.fingerprint.device);
    AppendBigEndian64(out, pending.fingerprint.inode);
    AppendBigEndian64(out, pending.fingerprint.size);
    AppendBigEndian64(out, static_cast<uint64_t>(pending.fingerprint.mtime_ns));
    AppendBigEndian64(out, static_cast<uint64_t>(pending.fingerprint.ctime_ns));
    AppendBigEndian32(out, pending.local.mode.value_or(kUnknownMode));
    AppendAttributes(out, pending.local.attributes);
  }
  return out;
}

absl::StatusOr<std::vector<PendingChange>> DecodePendingChanges(std::string_view bytes) {
  Reader reader(bytes);
  std::vector<PendingChange> changes;
  const bool with_metadata = reader.Peek() == kWithMetadata;
  if (with_metadata) (void)reader.U8();
  while (reader.ok() && !reader.AtEnd()) {
    PendingChange pending;
    pending.change.entry = ReadEntry(reader);
    pending.change.base_version = reader.U64();
    pending.change.conflict_of = reader.Path();
    pending.fingerprint.device = reader.U64();
    pending.fingerprint.inode = reader.U64();
    pending.fingerprint.size = reader.U64();
    pending.fingerprint.mtime_ns = static_cast<int64_t>(reader.U64());
    pending.fingerprint.ctime_ns = static_cast<int64_t>(reader.U64());
    if (with_metadata) {
      if (const uint32_t mode = reader.U32(); mode != kUnknownMode) pending.local.mode = mode;
      pending.local.attributes = ReadAttributes(reader);
    }
    changes.push_back(std::move(pending));
  }
  FS_RETURN_IF_ERROR(CheckEnd(reader, "commit"));
  return changes;
}

}  // namespace filesync
