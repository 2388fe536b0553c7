// The local directory's open files: one that is read, and one that is being made.
#pragma once

#include <memory>
#include <string>

#include "libs/base/unique_fd.h"
#include "libs/location/location.h"
#include "libs/location/posix_attributes.h"
#include "libs/location/workspaces.h"

namespace filesync {

// `root` and `attributes` must outlive the result; `path` is where `fd` was opened.
std::unique_ptr<LocalFile> NewPosixFile(UniqueFd fd, int root, const RelPath& path,
                                        PosixAttributes* attributes);

// Keeps other programs from beginning to write to a file while this lives: a read lease, which
// the kernel only gives while nobody has the file open for writing, and for which they wait.
// To be held for moments. Where the file can't be read or leased it does nothing.
class NoWriters {
 public:
  // `inode` is a handle (O_PATH will do) of what was found at `path`.
  NoWriters(int root, const RelPath& path, int inode);
  NoWriters(const NoWriters&) = delete;
  NoWriters& operator=(const NoWriters&) = delete;
  ~NoWriters();
  bool Held() const { return held_; }
  // Somebody has it open for writing.
  bool Refused() const { return refused_; }

 private:
  UniqueFd fd_;
  bool held_ = false;
  bool refused_ = false;
};

// A file in a workspace's tmp/, unlinked when it goes unless it was renamed away.
// Thread-compatible.
class PosixStagedFile final : public StagedFile {
 public:
  // `attributes` may be null, and must outlive the result.
  // ResourceExhausted when there is no room for `size_hint` bytes; they are reserved unless the
  // file is to have large holes.
  static absl::StatusOr<std::unique_ptr<PosixStagedFile>> Create(
      WorkspacePtr workspace, uint64_t size_hint, bool sparse = false,
      PosixAttributes* attributes = nullptr);
  ~PosixStagedFile() override;
  absl::Status Append(std::string_view bytes) override;
  absl::Status AppendZeros(uint64_t count) override;
  AttributeLoss SetAttributes(const Attributes& wanted) override;
  absl::Status SetMetadata(uint32_t mode, int64_t mtime_ns) override;

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  const Workspace& workspace() const { return *workspace_; }
  // It has another name now, which is not this object's to delete. Closed, lest it look as if
  // somebody were writing to it.
  void Installed() {
    name_.clear();
    fd_.Reset();
  }

 private:
  PosixStagedFile(WorkspacePtr workspace, std::string name, UniqueFd fd,
                  PosixAttributes* attributes)
      : workspace_(std::move(workspace)),
        name_(std::move(name)),
        fd_(std::move(fd)),
        attributes_(attributes) {}
  absl::Status Write(std::string_view bytes);
  void GiveBack(uint64_t begin, uint64_t end);
  absl::Status EndHole();

  const WorkspacePtr workspace_;
  std::string name_;
  UniqueFd fd_;
  PosixAttributes* const attributes_;  // null: none are set
  bool reserved_ = false;
  uint64_t end_ = 0;      // of what was appended
  uint64_t written_ = 0;  // where the file ends on disk; between it and end_ are zeros
};

}  // namespace filesync
