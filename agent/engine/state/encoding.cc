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

void AppendEntry(std::string& out, const Entry& entry) {
  AppendSized(out, entry.path.bytes());
  AppendBigEndian32(out, static_cast<uint32_t>(entry.type));
  AppendBigEndian32(out, entry.mode);
  AppendBigEndian64(out, static_cast<uint64_t>(entry.mtime_ns));
  AppendBigEndian64(out, entry.version);
  AppendSized(out, entry.symlink_target);
  AppendSized(out, entry.moved_to.bytes());
  AppendSized(out, entry.moved_from.bytes());
  AppendSized(out, entry.author);
  AppendBigEndian64(out, static_cast<uint64_t>(entry.committed_at_ns));
  if (entry.type == EntryType::kFile) AppendContent(out, entry.content);
}

Entry ReadEntry(Reader& reader) {
  Entry entry;
  entry.path = reader.Path();
  entry.type = static_cast<EntryType>(reader.U32());
  entry.mode = reader.U32();
  entry.mtime_ns = static_cast<int64_t>(reader.U64());
  entry.version = reader.U64();
  entry.symlink_target = std::string(reader.Sized());
  entry.moved_to = reader.Path();
  entry.moved_from = reader.Path();
  entry.author = std::string(reader.Sized());
  entry.committed_at_ns = static_cast<int64_t>(reader.U64());
  if (entry.type == EntryType::kFile) entry.content = ReadContent(reader);
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

std::string EncodePendingChanges(const std::vector<PendingChange>& changes) {
  std::string out;
  for (const PendingChange& pending : changes) {
    AppendEntry(out, pending.change.entry);
    AppendBigEndian64(out, pending.change.base_version);
    AppendSized(out, pending.change.conflict_of.bytes());
    AppendBigEndian64(out, pending.fingerprint.device);
    AppendBigEndian64(out, pending.fingerprint.inode);
    AppendBigEndian64(out, pending.fingerprint.size);
    AppendBigEndian64(out, static_cast<uint64_t>(pending.fingerprint.mtime_ns));
    AppendBigEndian64(out, static_cast<uint64_t>(pending.fingerprint.ctime_ns));
  }
  return out;
}

absl::StatusOr<std::vector<PendingChange>> DecodePendingChanges(std::string_view bytes) {
  Reader reader(bytes);
  std::vector<PendingChange> changes;
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
    changes.push_back(std::move(pending));
  }
  FS_RETURN_IF_ERROR(CheckEnd(reader, "commit"));
  return changes;
}

}  // namespace filesync
