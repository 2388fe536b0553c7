#include "libs/location/faulty_location.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

using Fault = FaultyLocation::Fault;

class FaultyFile final : public LocalFile {
 public:
  FaultyFile(std::unique_ptr<LocalFile> inner, RelPath path, const Fault* fault)
      : inner_(std::move(inner)), path_(std::move(path)), fault_(fault) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    FS_RETURN_IF_ERROR((*fault_)("File.ReadAt", path_));
    return inner_->ReadAt(offset, buffer, size);
  }
  uint64_t NextData(uint64_t offset) override { return inner_->NextData(offset); }
  absl::StatusOr<Fingerprint> Stat() override {
    FS_RETURN_IF_ERROR((*fault_)("File.Stat", path_));
    return inner_->Stat();
  }
  absl::StatusOr<uint32_t> Mode() override {
    FS_RETURN_IF_ERROR((*fault_)("File.Mode", path_));
    return inner_->Mode();
  }
  Attributes LookAtAttributes() override { return inner_->LookAtAttributes(); }
  absl::StatusOr<bool> NameIsStillThis() override {
    FS_RETURN_IF_ERROR((*fault_)("File.NameIsStillThis", path_));
    return inner_->NameIsStillThis();
  }
  bool HasWriters() override { return inner_->HasWriters(); }
  void AwaitWrites() override { inner_->AwaitWrites(); }

 private:
  const std::unique_ptr<LocalFile> inner_;
  const RelPath path_;
  const Fault* const fault_;
};

class FaultyStagedFile final : public StagedFile {
 public:
  FaultyStagedFile(std::unique_ptr<StagedFile> inner, const Fault* fault)
      : inner_(std::move(inner)), fault_(fault) {}

  absl::Status Append(std::string_view bytes) override {
    FS_RETURN_IF_ERROR((*fault_)("Staged.Append", RelPath()));
    return inner_->Append(bytes);
  }
  absl::Status AppendZeros(uint64_t count) override {
    FS_RETURN_IF_ERROR((*fault_)("Staged.Append", RelPath()));
    return inner_->AppendZeros(count);
  }
  AttributeLoss SetAttributes(const Attributes& wanted) override {
    return inner_->SetAttributes(wanted);
  }
  absl::Status SetMetadata(uint32_t mode, int64_t mtime_ns) override {
    FS_RETURN_IF_ERROR((*fault_)("Staged.SetMetadata", RelPath()));
    return inner_->SetMetadata(mode, mtime_ns);
  }
  StagedFile* inner() const { return inner_.get(); }

 private:
  const std::unique_ptr<StagedFile> inner_;
  const Fault* const fault_;
};

class FaultyWatcher final : public Watcher {
 public:
  FaultyWatcher(std::unique_ptr<Watcher> inner, const Fault* fault)
      : inner_(std::move(inner)), fault_(fault) {}

  absl::StatusOr<bool> Watch(const RelPath& directory) override {
    FS_RETURN_IF_ERROR((*fault_)("Watcher.Watch", directory));
    return inner_->Watch(directory);
  }
  std::vector<WatchEvent> Read(absl::Duration timeout) override { return inner_->Read(timeout); }
  void Interrupt() override { inner_->Interrupt(); }
  bool Limited() const override { return inner_->Limited(); }

 private:
  const std::unique_ptr<Watcher> inner_;
  const Fault* const fault_;
};

}  // namespace

absl::Status FaultyLocation::CheckRoot() {
  FS_RETURN_IF_ERROR(fault_("CheckRoot", RelPath()));
  return inner_->CheckRoot();
}

Look FaultyLocation::LookAt(const RelPath& path) {
  absl::Status status = fault_("LookAt", path);
  if (status.ok()) return inner_->LookAt(path);
  Look look;
  look.presence = Look::Presence::kUnknown;
  look.why = std::move(status);
  return look;
}

absl::StatusOr<Listing> FaultyLocation::List(const RelPath& directory) {
  FS_RETURN_IF_ERROR(fault_("List", directory));
  return inner_->List(directory);
}

absl::StatusOr<std::unique_ptr<LocalFile>> FaultyLocation::Open(const RelPath& path) {
  FS_RETURN_IF_ERROR(fault_("Open", path));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<LocalFile> file, inner_->Open(path));
  return std::unique_ptr<LocalFile>(std::make_unique<FaultyFile>(std::move(file), path, &fault_));
}

absl::StatusOr<std::unique_ptr<StagedFile>> FaultyLocation::Stage(const RelPath& path,
                                                                  uint64_t size_hint) {
  FS_RETURN_IF_ERROR(fault_("Stage", path));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<StagedFile> staged, inner_->Stage(path, size_hint));
  return std::unique_ptr<StagedFile>(
      std::make_unique<FaultyStagedFile>(std::move(staged), &fault_));
}

absl::StatusOr<std::unique_ptr<StagedFile>> FaultyLocation::StageSparse(const RelPath& path,
                                                                        uint64_t data_bytes) {
  FS_RETURN_IF_ERROR(fault_("Stage", path));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<StagedFile> staged, inner_->StageSparse(path, data_bytes));
  return std::unique_ptr<StagedFile>(
      std::make_unique<FaultyStagedFile>(std::move(staged), &fault_));
}

absl::Status FaultyLocation::SyncStaged(std::span<StagedFile* const> files) {
  FS_RETURN_IF_ERROR(fault_("SyncStaged", RelPath()));
  std::vector<StagedFile*> inner;
  inner.reserve(files.size());
  for (StagedFile* file : files) inner.push_back(static_cast<FaultyStagedFile*>(file)->inner());
  return inner_->SyncStaged(inner);
}

absl::StatusOr<ApplyResult> FaultyLocation::InstallFile(
    StagedFile& staged, const RelPath& path, const std::optional<Fingerprint>& expected) {
  FS_RETURN_IF_ERROR(fault_("InstallFile", path));
  return inner_->InstallFile(*static_cast<FaultyStagedFile&>(staged).inner(), path, expected);
}

absl::StatusOr<ApplyResult> FaultyLocation::InstallSymlink(
    const RelPath& path, const std::string& target, int64_t mtime_ns,
    const std::optional<Fingerprint>& expected) {
  FS_RETURN_IF_ERROR(fault_("InstallSymlink", path));
  return inner_->InstallSymlink(path, target, mtime_ns, expected);
}

absl::StatusOr<ApplyResult> FaultyLocation::MakeDirectory(const RelPath& path, uint32_t mode) {
  FS_RETURN_IF_ERROR(fault_("MakeDirectory", path));
  return inner_->MakeDirectory(path, mode);
}

absl::StatusOr<ApplyResult> FaultyLocation::SetMetadata(const RelPath& path,
                                                        const Fingerprint& expected, uint32_t mode,
                                                        int64_t mtime_ns) {
  FS_RETURN_IF_ERROR(fault_("SetMetadata", path));
  return inner_->SetMetadata(path, expected, mode, mtime_ns);
}

absl::StatusOr<ApplyResult> FaultyLocation::SetAttributes(const RelPath& path,
                                                          const Fingerprint& expected,
                                                          const Attributes& wanted) {
  FS_RETURN_IF_ERROR(fault_("SetAttributes", path));
  return inner_->SetAttributes(path, expected, wanted);
}

absl::StatusOr<ApplyResult> FaultyLocation::Remove(const RelPath& path,
                                                   const Fingerprint& expected) {
  FS_RETURN_IF_ERROR(fault_("Remove", path));
  return inner_->Remove(path, expected);
}

absl::StatusOr<ApplyResult> FaultyLocation::Move(const RelPath& from, const Fingerprint& expected,
                                                 const RelPath& to) {
  FS_RETURN_IF_ERROR(fault_("Move", from));
  return inner_->Move(from, expected, to);
}

absl::StatusOr<ApplyResult> FaultyLocation::MoveOver(const RelPath& from,
                                                     const Fingerprint& expected, const RelPath& to,
                                                     const Fingerprint& replaced) {
  FS_RETURN_IF_ERROR(fault_("MoveOver", from));
  return inner_->MoveOver(from, expected, to, replaced);
}

absl::Status FaultyLocation::SyncDirectories(std::span<const RelPath> directories) {
  FS_RETURN_IF_ERROR(fault_("SyncDirectories", RelPath()));
  return inner_->SyncDirectories(directories);
}

absl::StatusOr<std::unique_ptr<Watcher>> FaultyLocation::NewWatcher() {
  FS_RETURN_IF_ERROR(fault_("NewWatcher", RelPath()));
  FS_ASSIGN_OR_RETURN(std::unique_ptr<Watcher> watcher, inner_->NewWatcher());
  return std::unique_ptr<Watcher>(std::make_unique<FaultyWatcher>(std::move(watcher), &fault_));
}

absl::Status FaultyLocation::CleanUp() {
  FS_RETURN_IF_ERROR(fault_("CleanUp", RelPath()));
  return inner_->CleanUp();
}

absl::StatusOr<TrashRemoved> FaultyLocation::LimitTrash(const TrashLimits& limits) {
  FS_RETURN_IF_ERROR(fault_("LimitTrash", RelPath()));
  return inner_->LimitTrash(limits);
}

}  // namespace filesync
