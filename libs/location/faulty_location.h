// FaultyLocation: a local directory whose calls can be made to fail, for tests. Thread-safe as
// far as the fault function is.
//
// Example:
//   FaultyLocation location(std::move(directory), [](std::string_view call, const RelPath& path) {
//     return call == "List" ? ErrnoStatus(EIO, "list") : absl::OkStatus();
//   });
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "libs/location/local_directory.h"

namespace filesync {

class FaultyLocation final : public LocalDirectory {
 public:
  // Asked before each call, by the method's name and the path it is about (the root where it is
  // about none); what is not ok is returned instead of calling. Calls on what Open, Stage and
  // NewWatcher return are named "File.ReadAt", "File.Stat", "File.Mode", "File.NameIsStillThis",
  // "Staged.Append", "Staged.SetMetadata" and "Watcher.Watch". One that fails HasFineGrainedTimes
  // has times that count in ticks.
  using Fault = std::function<absl::Status(std::string_view call, const RelPath& path)>;
  FaultyLocation(std::unique_ptr<LocalDirectory> inner, Fault fault)
      : inner_(std::move(inner)), fault_(std::move(fault)) {}

  const std::string& description() const override { return inner_->description(); }
  const RootIdentity& identity() const override { return inner_->identity(); }
  std::string StateDirectoryPath() const override { return inner_->StateDirectoryPath(); }
  absl::Status WriteNote(const std::string& name, std::string_view bytes) override {
    return inner_->WriteNote(name, bytes);
  }
  Preserve preserve() const override { return inner_->preserve(); }
  bool HasFineGrainedTimes() const override {
    return fault_("HasFineGrainedTimes", RelPath()).ok() && inner_->HasFineGrainedTimes();
  }

  absl::Status CheckRoot() override;
  // An error becomes kUnknown.
  Look LookAt(const RelPath& path) override;
  absl::StatusOr<Listing> List(const RelPath& directory) override;
  absl::StatusOr<std::unique_ptr<LocalFile>> Open(const RelPath& path) override;
  absl::StatusOr<std::unique_ptr<StagedFile>> Stage(const RelPath& path,
                                                    uint64_t size_hint) override;
  absl::StatusOr<std::unique_ptr<StagedFile>> StageSparse(const RelPath& path,
                                                          uint64_t data_bytes) override;
  absl::Status SyncStaged(std::span<StagedFile* const> files) override;
  absl::StatusOr<ApplyResult> InstallFile(StagedFile& staged, const RelPath& path,
                                          const std::optional<Fingerprint>& expected) override;
  absl::StatusOr<ApplyResult> InstallSymlink(const RelPath& path, const std::string& target,
                                             int64_t mtime_ns,
                                             const std::optional<Fingerprint>& expected) override;
  absl::StatusOr<ApplyResult> MakeDirectory(const RelPath& path, uint32_t mode) override;
  absl::StatusOr<ApplyResult> SetMetadata(const RelPath& path, const Fingerprint& expected,
                                          uint32_t mode, int64_t mtime_ns) override;
  absl::StatusOr<ApplyResult> SetAttributes(const RelPath& path, const Fingerprint& expected,
                                            const Attributes& wanted) override;
  absl::StatusOr<ApplyResult> Remove(const RelPath& path, const Fingerprint& expected) override;
  absl::StatusOr<ApplyResult> Move(const RelPath& from, const Fingerprint& expected,
                                   const RelPath& to) override;
  absl::StatusOr<ApplyResult> MoveOver(const RelPath& from, const Fingerprint& expected,
                                       const RelPath& to, const Fingerprint& replaced) override;
  absl::Status SyncDirectories(std::span<const RelPath> directories) override;
  absl::StatusOr<std::unique_ptr<Watcher>> NewWatcher() override;
  absl::Status CleanUp() override;
  absl::StatusOr<TrashRemoved> LimitTrash(const TrashLimits& limits) override;
  uint64_t TrashPuts() const override { return inner_->TrashPuts(); }

 private:
  const std::unique_ptr<LocalDirectory> inner_;
  const Fault fault_;
};

}  // namespace filesync
