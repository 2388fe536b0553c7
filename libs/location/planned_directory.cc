#include "libs/location/planned_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

// No file system gives out inodes from here on.
constexpr uint64_t kFirstPlannedInode = uint64_t{1} << 62;
// What is not larger may turn out to be a rule file, and is kept.
constexpr uint64_t kMostKept = 4 << 20;

// A directory is known by device and inode, everything else by the whole fingerprint.
bool IsAsExpected(const LocalEntry& entry, const Fingerprint& expected) {
  if (entry.type != LocalType::kDirectory) return entry.fingerprint == expected;
  return entry.fingerprint.device == expected.device && entry.fingerprint.inode == expected.inode;
}

class PlannedStaged final : public StagedFile {
 public:
  // `size`: of all of it; nullopt: of what is appended.
  explicit PlannedStaged(std::optional<uint64_t> size) : size_(size) {}
  absl::Status Append(std::string_view bytes) override {
    appended_ += bytes.size();
    if (size() <= kMostKept) bytes_ += bytes;
    return absl::OkStatus();
  }
  AttributeLoss SetAttributes(const Attributes& wanted) override {
    attributes_ = wanted;
    return {};
  }
  absl::Status SetMetadata(uint32_t mode, int64_t mtime_ns) override {
    mode_ = mode;
    mtime_ns_ = mtime_ns;
    return absl::OkStatus();
  }

  uint64_t size() const { return size_.value_or(appended_); }
  const Attributes& attributes() const { return attributes_; }
  uint32_t mode() const { return mode_; }
  int64_t mtime_ns() const { return mtime_ns_; }
  // Null when not all of it was appended.
  std::shared_ptr<const std::string> TakeBytes() {
    if (bytes_.size() != size()) return nullptr;
    return std::make_shared<const std::string>(std::move(bytes_));
  }

 private:
  const std::optional<uint64_t> size_;
  uint64_t appended_ = 0;
  std::string bytes_;
  Attributes attributes_;
  uint32_t mode_ = 0;
  int64_t mtime_ns_ = 0;
};

// A file whose content is in memory.
class KnownFile final : public LocalFile {
 public:
  KnownFile(std::shared_ptr<const std::string> bytes, LocalEntry entry)
      : bytes_(std::move(bytes)), entry_(std::move(entry)) {}
  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    if (offset >= bytes_->size()) return 0;
    return bytes_->copy(buffer, size, offset);
  }
  absl::StatusOr<Fingerprint> Stat() override { return entry_.fingerprint; }
  absl::StatusOr<uint32_t> Mode() override { return entry_.mode; }
  Attributes LookAtAttributes() override { return entry_.attributes; }
  absl::StatusOr<bool> NameIsStillThis() override { return true; }
  bool HasWriters() override { return false; }

 private:
  const std::shared_ptr<const std::string> bytes_;
  const LocalEntry entry_;
};

// A local file under another name or with other metadata.
class MovedFile final : public LocalFile {
 public:
  MovedFile(std::unique_ptr<LocalFile> file, const Fingerprint& before, LocalEntry entry)
      : file_(std::move(file)), before_(before), entry_(std::move(entry)) {}
  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    return file_->ReadAt(offset, buffer, size);
  }
  uint64_t NextData(uint64_t offset) override { return file_->NextData(offset); }
  absl::StatusOr<Fingerprint> Stat() override {
    FS_ASSIGN_OR_RETURN(const Fingerprint now, file_->Stat());
    // Written to meanwhile: that shows.
    return now == before_ ? entry_.fingerprint : now;
  }
  absl::StatusOr<uint32_t> Mode() override { return entry_.mode; }
  Attributes LookAtAttributes() override { return entry_.attributes; }
  absl::StatusOr<bool> NameIsStillThis() override { return file_->NameIsStillThis(); }
  bool HasWriters() override { return file_->HasWriters(); }
  void AwaitWrites() override { file_->AwaitWrites(); }

 private:
  const std::unique_ptr<LocalFile> file_;
  const Fingerprint before_;
  const LocalEntry entry_;
};

ApplyResult Applied(const LocalEntry& entry) {
  return {ApplyKind::kApplied, entry.fingerprint, entry.Metadata(), {}};
}

}  // namespace

Look PlannedDirectory::LookAt(const RelPath& path) {
  absl::MutexLock lock(&mutex_);
  return LookLocked(path);
}

Look PlannedDirectory::LookLocked(const RelPath& path) {
  Look look;
  if (const auto it = planned_.find(path); it != planned_.end()) {
    look.presence = it->second.present ? Look::Presence::kPresent : Look::Presence::kAbsent;
    look.entry = it->second.entry;
    return look;
  }
  // Whatever becomes of a directory was planned for all that it held, so only what took its name
  // hides something.
  for (RelPath above = path.Parent(); !above.IsRoot(); above = above.Parent()) {
    const auto it = planned_.find(above);
    if (it == planned_.end()) continue;
    if (it->second.present && it->second.entry.type == LocalType::kDirectory) break;
    look.presence = Look::Presence::kAbsent;
    return look;
  }
  return inner_->LookAt(path);
}

absl::StatusOr<Listing> PlannedDirectory::List(const RelPath& directory) {
  absl::MutexLock lock(&mutex_);
  return ListLocked(directory);
}

absl::StatusOr<Listing> PlannedDirectory::ListLocked(const RelPath& directory) {
  if (!directory.IsRoot()) {
    const Look look = LookLocked(directory);
    if (look.presence == Look::Presence::kUnknown) return look.why;
    if (look.presence == Look::Presence::kAbsent) return ErrnoStatus(ENOENT, "open");
    if (look.entry.type != LocalType::kDirectory) return ErrnoStatus(ENOTDIR, "open");
  }
  absl::StatusOr<Listing> listing = inner_->List(directory);
  if (!listing.ok()) {
    const int error = ErrnoOf(listing.status());
    // A directory that is only planned.
    const bool nothing =
        planned_.contains(directory) && (error == ENOENT || error == ENOTDIR || error == ELOOP);
    if (!nothing) return listing;
    listing = Listing();
  }
  std::map<RelPath, LocalEntry> entries;
  for (LocalEntry& entry : listing->entries) entries[entry.path] = std::move(entry);
  for (auto it = planned_.lower_bound(directory);
       it != planned_.end() && it->first.IsAtOrBelow(directory); ++it) {
    if (it->first == directory || it->first.Parent() != directory) continue;
    if (it->second.present) {
      entries[it->first] = it->second.entry;
    } else {
      entries.erase(it->first);
    }
  }
  listing->entries.clear();
  for (auto& [path, entry] : entries) listing->entries.push_back(std::move(entry));
  return listing;
}

absl::StatusOr<std::unique_ptr<LocalFile>> PlannedDirectory::Open(const RelPath& path) {
  absl::MutexLock lock(&mutex_);
  const Look look = LookLocked(path);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kAbsent) return ErrnoStatus(ENOENT, "open");
  if (look.entry.type != LocalType::kFile) return InvalidArgument("not a regular file");
  const auto it = planned_.find(path);
  if (it == planned_.end()) return inner_->Open(path);
  const Node& node = it->second;
  if (node.bytes != nullptr) {
    return std::unique_ptr<LocalFile>(std::make_unique<KnownFile>(node.bytes, node.entry));
  }
  if (node.origin.IsRoot()) {
    return FailedPrecondition("its content is not fetched in a dry run");
  }
  FS_ASSIGN_OR_RETURN(std::unique_ptr<LocalFile> file, inner_->Open(node.origin));
  FS_ASSIGN_OR_RETURN(const Fingerprint before, file->Stat());
  return std::unique_ptr<LocalFile>(
      std::make_unique<MovedFile>(std::move(file), before, node.entry));
}

absl::StatusOr<std::unique_ptr<StagedFile>> PlannedDirectory::Stage(const RelPath&,
                                                                    uint64_t size_hint) {
  return std::unique_ptr<StagedFile>(std::make_unique<PlannedStaged>(size_hint));
}

absl::StatusOr<std::unique_ptr<StagedFile>> PlannedDirectory::StageSparse(const RelPath&,
                                                                          uint64_t) {
  return std::unique_ptr<StagedFile>(std::make_unique<PlannedStaged>(std::nullopt));
}

absl::Status PlannedDirectory::CheckParent(const RelPath& path) {
  const RelPath parent = path.Parent();
  if (parent.IsRoot()) return absl::OkStatus();
  const Look look = LookLocked(parent);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kAbsent) return ErrnoStatus(ENOENT, "open");
  return look.entry.type == LocalType::kDirectory ? absl::OkStatus() : ErrnoStatus(ENOTDIR, "open");
}

ApplyKind PlannedDirectory::MayInstall(const RelPath& path,
                                       const std::optional<Fingerprint>& expected) {
  const Look look = LookLocked(path);
  const bool present = look.presence == Look::Presence::kPresent;
  if (present != expected.has_value()) return ApplyKind::kChanged;
  if (!present) return ApplyKind::kApplied;
  const bool same = look.entry.type != LocalType::kDirectory && look.entry.fingerprint == *expected;
  return same ? ApplyKind::kApplied : ApplyKind::kChanged;
}

Fingerprint PlannedDirectory::NewFingerprint(const RelPath& path, uint64_t size, int64_t mtime_ns) {
  Fingerprint fingerprint;
  const Look above = path.Parent().IsRoot() ? Look() : LookLocked(path.Parent());
  fingerprint.device = above.presence == Look::Presence::kPresent ? above.entry.fingerprint.device
                                                                  : inner_->identity().device;
  fingerprint.inode = kFirstPlannedInode + inodes_++;
  fingerprint.size = size;
  fingerprint.mtime_ns = mtime_ns;
  fingerprint.ctime_ns = absl::ToUnixNanos(clock_->Now());
  return fingerprint;
}

ApplyResult PlannedDirectory::Put(Node node) {
  ApplyResult result = Applied(node.entry);
  const RelPath path = node.entry.path;
  planned_[path] = std::move(node);
  return result;
}

void PlannedDirectory::PutAttributes(const Attributes& wanted, LocalEntry& entry) const {
  const Preserve preserved = preserve();
  if (preserved.owner && wanted.owner != nullptr) entry.attributes.owner = wanted.owner;
  const bool xattrs = preserved.xattrs && entry.type != LocalType::kSymlink;
  if (xattrs && wanted.xattrs != nullptr) entry.attributes.xattrs = wanted.xattrs;
}

void PlannedDirectory::PutAbsent(const RelPath& path) {
  Node gone;
  gone.present = false;
  planned_[path] = std::move(gone);
}

PlannedDirectory::Node PlannedDirectory::NodeAt(const Look& look) {
  if (const auto it = planned_.find(look.entry.path); it != planned_.end()) return it->second;
  Node node;
  node.entry = look.entry;
  if (look.entry.type == LocalType::kFile) node.origin = look.entry.path;
  return node;
}

absl::StatusOr<ApplyResult> PlannedDirectory::InstallFile(
    StagedFile& staged, const RelPath& path, const std::optional<Fingerprint>& expected) {
  auto& file = static_cast<PlannedStaged&>(staged);
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(CheckParent(path));
  if (MayInstall(path, expected) != ApplyKind::kApplied) return SomethingElse();
  Node node;
  node.entry.path = path;
  node.entry.type = LocalType::kFile;
  node.entry.mode = file.mode() & 0777;
  node.entry.fingerprint = NewFingerprint(path, file.size(), file.mtime_ns());
  PutAttributes(file.attributes(), node.entry);
  node.bytes = file.TakeBytes();
  return Put(std::move(node));
}

absl::StatusOr<ApplyResult> PlannedDirectory::InstallSymlink(
    const RelPath& path, const std::string& target, int64_t mtime_ns,
    const std::optional<Fingerprint>& expected) {
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(CheckParent(path));
  if (MayInstall(path, expected) != ApplyKind::kApplied) return SomethingElse();
  Node node;
  node.entry.path = path;
  node.entry.type = LocalType::kSymlink;
  node.entry.mode = 0777;
  node.entry.symlink_target = target;
  node.entry.fingerprint = NewFingerprint(path, target.size(), mtime_ns);
  return Put(std::move(node));
}

absl::StatusOr<ApplyResult> PlannedDirectory::MakeDirectory(const RelPath& path, uint32_t mode) {
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(CheckParent(path));
  const Look look = LookLocked(path);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kPresent) {
    if (look.entry.type != LocalType::kDirectory) return SomethingElse();
    if (look.entry.mode == (mode & 0777)) return Applied(look.entry);
    Node node = NodeAt(look);
    node.entry.mode = mode & 0777;
    return Put(std::move(node));
  }
  Node node;
  node.entry.path = path;
  node.entry.type = LocalType::kDirectory;
  node.entry.mode = mode & 0777;
  node.entry.fingerprint = NewFingerprint(path, 0, absl::ToUnixNanos(clock_->Now()));
  return Put(std::move(node));
}

absl::StatusOr<ApplyResult> PlannedDirectory::SetMetadata(const RelPath& path,
                                                          const Fingerprint& expected,
                                                          uint32_t mode, int64_t mtime_ns) {
  absl::MutexLock lock(&mutex_);
  const Look look = LookLocked(path);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kAbsent) return ErrnoStatus(ENOENT, "open");
  if (!IsAsExpected(look.entry, expected)) return SomethingElse();
  Node node = NodeAt(look);
  if (look.entry.type != LocalType::kSymlink) node.entry.mode = mode & 0777;
  if (look.entry.type != LocalType::kDirectory) node.entry.fingerprint.mtime_ns = mtime_ns;
  return Put(std::move(node));
}

absl::StatusOr<ApplyResult> PlannedDirectory::SetAttributes(const RelPath& path,
                                                            const Fingerprint& expected,
                                                            const Attributes& wanted) {
  absl::MutexLock lock(&mutex_);
  const Look look = LookLocked(path);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kAbsent) return ErrnoStatus(ENOENT, "open");
  if (!IsAsExpected(look.entry, expected)) return SomethingElse();
  Node node = NodeAt(look);
  PutAttributes(wanted, node.entry);
  return Put(std::move(node));
}

absl::StatusOr<ApplyResult> PlannedDirectory::Remove(const RelPath& path,
                                                     const Fingerprint& expected) {
  absl::MutexLock lock(&mutex_);
  const Look look = LookLocked(path);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kAbsent) return NothingThere();
  if (!IsAsExpected(look.entry, expected)) return SomethingElse();
  if (look.entry.type == LocalType::kDirectory) {
    FS_ASSIGN_OR_RETURN(const Listing listing, ListLocked(path));
    const bool empty = listing.entries.empty() && listing.skipped.empty();
    if (!empty) return ApplyResult{ApplyKind::kNotEmpty, {}, {}, {}};
  }
  PutAbsent(path);
  return NothingThere();
}

absl::StatusOr<ApplyResult> PlannedDirectory::Move(const RelPath& from, const Fingerprint& expected,
                                                   const RelPath& to) {
  absl::MutexLock lock(&mutex_);
  FS_RETURN_IF_ERROR(CheckParent(to));
  const Look look = LookLocked(from);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kAbsent) return ErrnoStatus(ENOENT, "open");
  const bool directory = look.entry.type == LocalType::kDirectory;
  const bool same = directory ? IsAsExpected(look.entry, expected)
                              : look.entry.fingerprint.SameButCtime(expected);
  if (!same) return SomethingElse();
  const Look target = LookLocked(to);
  if (target.presence == Look::Presence::kUnknown) return target.why;
  if (target.presence == Look::Presence::kPresent) return SomethingElse();
  if (directory) FS_RETURN_IF_ERROR(MoveBelow(from, to));
  Node node = NodeAt(look);
  node.entry.path = to;
  PutAbsent(from);
  return Put(std::move(node));
}

// What is in a directory goes with it, whatever it is.
absl::Status PlannedDirectory::MoveBelow(const RelPath& from, const RelPath& to) {
  FS_ASSIGN_OR_RETURN(const Listing listing, ListLocked(from));
  for (const LocalEntry& entry : listing.entries) {
    const RelPath target = entry.path.Rebased(from, to);
    if (entry.type == LocalType::kDirectory) FS_RETURN_IF_ERROR(MoveBelow(entry.path, target));
    Look look;
    look.entry = entry;
    Node node = NodeAt(look);
    node.entry.path = target;
    PutAbsent(entry.path);
    Put(std::move(node));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Watcher>> PlannedDirectory::NewWatcher() {
  return absl::StatusOr<std::unique_ptr<Watcher>>(
      absl::UnimplementedError("what changes during a dry run is not followed"));
}

}  // namespace filesync
