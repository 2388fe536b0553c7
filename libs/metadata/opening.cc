#include "libs/metadata/opening.h"

#include <sys/stat.h>

#include <algorithm>

#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/records.h"

namespace filesync {
namespace {

constexpr uint64_t kFormat = 1;
constexpr char kFormatKey[] = "format";
constexpr char kServerIdKey[] = "server_id";
constexpr char kCleanStopKey[] = "clean_stop";
constexpr char kDirectoryKey[] = "directory";
constexpr size_t kSampleEntries = 1000;
// 2026-01-01T00:00:00Z
constexpr int64_t kVersionEpoch = 1'767'225'600;
constexpr uint64_t kVersionsPerSecond = 1000;

absl::StatusOr<std::optional<std::string>> GetSystem(KvStore* kv, const char* key) {
  absl::StatusOr<std::string> value = kv->Get(keys::kSystem, key);
  if (absl::IsNotFound(value.status())) return std::optional<std::string>();
  FS_RETURN_IF_ERROR(value.status());
  return std::optional<std::string>(*std::move(value));
}

std::string Number(uint64_t value) {
  std::string bytes;
  AppendBigEndian64(bytes, value);
  return bytes;
}

absl::Status CheckFormat(KvStore* kv, KvBatch& batch, bool& is_new) {
  FS_ASSIGN_OR_RETURN(const auto format, GetSystem(kv, kFormatKey));
  is_new = !format.has_value();
  if (is_new) {
    batch.Put(keys::kSystem, kFormatKey, Number(kFormat));
    return absl::OkStatus();
  }
  const uint64_t found = format->size() == 8 ? ReadBigEndian64(format->data()) : 0;
  if (found == kFormat) return absl::OkStatus();
  return FailedPrecondition(
      "the data directory has format {}, and this program knows format {} only; run the version "
      "that wrote it, or a newer one",
      found, kFormat);
}

absl::StatusOr<std::vector<Incarnation>> LoadIncarnations(KvStore* kv) {
  std::vector<Incarnation> rows;
  const std::unique_ptr<KvIterator> iterator = kv->Iterate(keys::kIncarnations);
  for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
    FS_ASSIGN_OR_RETURN(Incarnation row, records::DecodeIncarnation(iterator->value()));
    rows.push_back(std::move(row));
  }
  FS_RETURN_IF_ERROR(iterator->status());
  return rows;
}

absl::StatusOr<std::vector<FolderInfo>> LoadFolders(KvStore* kv) {
  std::vector<FolderInfo> folders;
  const std::unique_ptr<KvIterator> iterator = kv->Iterate(keys::kFolders);
  for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
    if (iterator->key().size() != 8) return DataLoss("the store holds a damaged folder key");
    FS_ASSIGN_OR_RETURN(
        FolderInfo info,
        records::DecodeFolder(ReadBigEndian64(iterator->key().data()), iterator->value()));
    folders.push_back(std::move(info));
  }
  FS_RETURN_IF_ERROR(iterator->status());
  return folders;
}

// Which directory on which disk this is: a copy that was put back is another one.
absl::StatusOr<std::string> DirectoryIdentity(const std::string& directory) {
  FS_ASSIGN_OR_RETURN(const UniqueFd fd, OpenDirectory(directory));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, directory);
  return Number(info.st_dev) + Number(info.st_ino);
}

// Looks at a part of what a folder holds: entries must parse, be where their version says, and
// name chunks that are members.
absl::Status CheckSample(KvStore* kv, const FolderInfo& folder) {
  const std::string prefix = keys::Folder(folder.id);
  const std::unique_ptr<KvIterator> iterator = kv->Iterate(keys::kEntries);
  size_t seen = 0;
  for (iterator->Seek(prefix);
       iterator->Valid() && iterator->key().starts_with(prefix) && seen < kSampleEntries;
       iterator->Next(), ++seen) {
    FS_ASSIGN_OR_RETURN(const RelPath path, RelPath::FromSortKey(iterator->key().substr(8)));
    FS_ASSIGN_OR_RETURN(const Entry entry, records::DecodeEntry(path, iterator->value()));
    if (entry.version == 0 || entry.version > folder.head_version) {
      return DataLoss("folder '{}': an entry has version {}, above the head {}", folder.name,
                      entry.version, folder.head_version);
    }
    std::vector<std::string> members;
    for (const ChunkRef& ref : entry.content.refs) {
      members.push_back(keys::Member(folder.id, ref.id));
    }
    FS_ASSIGN_OR_RETURN(const auto found, kv->MultiGet(keys::kMembership, members));
    for (const auto& member : found) {
      if (!member.has_value()) {
        return DataLoss("folder '{}': an entry names a chunk that is not stored", folder.name);
      }
    }
  }
  return iterator->status();
}

}  // namespace

absl::StatusOr<OpenedStore> OpenStore(KvStore* kv, const Clock& clock,
                                      const MetadataOptions& options) {
  OpenedStore opened;
  KvBatch batch;
  bool is_new = false;
  FS_RETURN_IF_ERROR(CheckFormat(kv, batch, is_new));
  FS_ASSIGN_OR_RETURN(const auto server_id, GetSystem(kv, kServerIdKey));
  opened.server_id = server_id.has_value() ? *server_id : RandomBytes(16);
  batch.Put(keys::kSystem, kServerIdKey, opened.server_id);
  FS_ASSIGN_OR_RETURN(opened.folders, LoadFolders(kv));
  for (const FolderInfo& folder : opened.folders) {
    FS_RETURN_IF_ERROR(Annotate(CheckSample(kv, folder), "the store is damaged"));
  }
  FS_ASSIGN_OR_RETURN(opened.incarnations, LoadIncarnations(kv));
  FS_ASSIGN_OR_RETURN(opened.allocator,
                      VersionAllocator::Open(options.directory, options.version_block));

  uint64_t kept = 0;
  for (const FolderInfo& folder : opened.folders) kept = std::max(kept, folder.head_version);
  FS_ASSIGN_OR_RETURN(const auto clean_stop, GetSystem(kv, kCleanStopKey));
  const bool clean = is_new || clean_stop.has_value();
  uint64_t next = kept + 1;
  const std::optional<uint64_t> reserved = opened.allocator->reserved_through();
  if (!clean) next = std::max(next, reserved.value_or(kept + options.version_block) + 1);
  if (!options.directory.empty()) {
    FS_ASSIGN_OR_RETURN(const std::string identity, DirectoryIdentity(options.directory));
    FS_ASSIGN_OR_RETURN(const auto recorded, GetSystem(kv, kDirectoryKey));
    const bool put_back = recorded.has_value() && *recorded != identity;
    if (put_back || (!is_new && !reserved.has_value())) {
      // A copy: versions may have been given out after it was made. Incarnations tell agents;
      // going on where only the time since could have led keeps even the bare numbers apart.
      const int64_t seconds = absl::ToUnixSeconds(clock.Now()) - kVersionEpoch;
      next =
          std::max(next, static_cast<uint64_t>(std::max<int64_t>(seconds, 0)) * kVersionsPerSecond);
    }
    batch.Put(keys::kSystem, kDirectoryKey, identity);
  }
  opened.allocator->StartAt(next);

  // What was kept ends here; what is given out from now on is this incarnation's.
  const Incarnation incarnation{RandomBytes(16), kept + 1};
  batch.Put(keys::kIncarnations,
            keys::Incarnation(static_cast<uint32_t>(opened.incarnations.size())),
            records::Encode(incarnation, absl::ToUnixNanos(clock.Now()), clean));
  opened.incarnations.push_back(incarnation);
  batch.Delete(keys::kSystem, kCleanStopKey);
  FS_RETURN_IF_ERROR(Annotate(kv->Write(batch, /*synced=*/true), "cannot begin an incarnation"));
  return opened;
}

absl::Status MarkCleanStop(KvStore* kv) {
  KvBatch batch;
  batch.Put(keys::kSystem, kCleanStopKey, "1");
  return kv->Write(batch, /*synced=*/true);
}

}  // namespace filesync
