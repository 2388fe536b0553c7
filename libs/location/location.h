// Location: the place an agent keeps in step with a folder. This interface is all the engine
// knows of disks; the local directory is its first form. Thread-safe unless said.
//
// Invariants every form keeps:
//  - kAbsent is said only when an error-free look proved it; everything else is kUnknown.
//  - no call touches anything outside the root, whatever symlinks stand in the way;
//  - an install is atomic (old or new, never between), and a file that was not the expected one
//    is never lost: the install reports kChanged and leaves it, or moves it to the trash.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/entry.h"

namespace filesync {

// What stat says of one inode; equal fingerprints mean unchanged content (unless racy).
struct Fingerprint {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
  // Equal but for ctime, which a rename changes.
  bool SameButCtime(const Fingerprint& other) const;
};

enum class LocalType : uint8_t { kFile, kDirectory, kSymlink, kOther /* FIFO, socket, device */ };

struct LocalEntry {
  RelPath path;
  LocalType type = LocalType::kFile;
  uint32_t mode = 0;           // permission bits & 0777
  std::string symlink_target;  // symlinks
  Fingerprint fingerprint;
};

struct Look {
  enum class Presence : uint8_t { kPresent, kAbsent, kUnknown };
  Presence presence = Presence::kUnknown;
  LocalEntry entry;  // present
  absl::Status why;  // unknown: why it could not be told
};

// A name in a directory that can not be synced (not a legal RelPath), for status.
struct Listing {
  std::vector<LocalEntry> entries;   // sorted by name bytes; ".syncagent" in the root left out
  std::vector<std::string> skipped;  // raw names
};

// One open regular file.
class LocalFile {
 public:
  virtual ~LocalFile() = default;
  // Reads up to `size` bytes at `offset` into `buffer`; fewer only at the end of the file.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) = 0;
  virtual absl::StatusOr<Fingerprint> Stat() = 0;
  // Permission bits now.
  virtual absl::StatusOr<uint32_t> Mode() = 0;
  // True when the name it was opened by still is this inode.
  virtual absl::StatusOr<bool> NameIsStillThis() = 0;
  // True when some process has it open for writing (or this can't be told).
  virtual bool HasWriters() = 0;
};

// A file being made, invisible until installed; dropped (and deleted) if it never is.
// Thread-compatible: one thread at a time.
class StagedFile {
 public:
  virtual ~StagedFile() = default;
  virtual absl::Status Append(std::string_view bytes) = 0;
  // Sets what it is to carry. Must be called before it is installed.
  virtual absl::Status SetMetadata(uint32_t mode, int64_t mtime_ns) = 0;
};

enum class ApplyKind : uint8_t {
  kApplied,   // done, or it was already so; `fingerprint` is how it is now
  kChanged,   // what stands there is not what was expected; nothing was lost or replaced
  kNotEmpty,  // a directory that still holds something
};
struct ApplyResult {
  ApplyKind kind = ApplyKind::kApplied;
  Fingerprint fingerprint;
};

struct WatchEvent {
  enum class Kind : uint8_t {
    kChanged,    // a finished change: closed after writing, renamed, created, deleted, attributes
    kModifying,  // written to, not closed yet
    kDirectory,  // a directory appeared or moved here: watch it, then list it
    kUncertain,  // what is in this directory is not known any more (a mount went): scan it
    kOverflow,   // events were lost or could not be watched: rescan everything
    kRootGone,   // the root was moved, deleted or unmounted
  };
  Kind kind = Kind::kChanged;
  RelPath path;
};

// Reports what happens below the root. One reader.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // Watches one directory (not what is below it). False when it was watched under this path
  // already. To miss nothing, watch first, then list. ResourceExhausted when the system's limit is
  // reached: from then on Limited() is true and the engine must rescan often.
  virtual absl::StatusOr<bool> Watch(const RelPath& directory) = 0;
  // Blocks up to `timeout` for events; empty on timeout or Interrupt.
  virtual std::vector<WatchEvent> Read(absl::Duration timeout) = 0;
  virtual void Interrupt() = 0;
  virtual bool Limited() const = 0;
};

class Location {
 public:
  virtual ~Location() = default;

  // How people know it, e.g. the directory's path.
  virtual const std::string& description() const = 0;
  // Ok while the root is what it was when opened (marker, device and inode); else
  // FailedPrecondition with the reason: the agent must halt.
  virtual absl::Status CheckRoot() = 0;

  virtual Look LookAt(const RelPath& path) = 0;
  // A directory's entries; an error means that the directory is unknown, not empty.
  virtual absl::StatusOr<Listing> List(const RelPath& directory) = 0;
  // Follows no symlink. InvalidArgument when it is no regular file.
  virtual absl::StatusOr<std::unique_ptr<LocalFile>> Open(const RelPath& path) = 0;
  // True when file times tell writes apart that follow each other at once (fine-grained
  // kernel timestamps); else a stat younger than two clock ticks is racy.
  virtual bool HasFineGrainedTimes() const = 0;

  // `size_hint` in bytes, to reserve space: ResourceExhausted when there is none.
  virtual absl::StatusOr<std::unique_ptr<StagedFile>> Stage(uint64_t size_hint) = 0;
  // Makes the staged files' bytes and metadata durable, grouped.
  virtual absl::Status SyncStaged(std::span<StagedFile* const> files) = 0;

  // Installs below: `expected` is the fingerprint that was reconciled against, nullopt when
  // nothing may be there. Parents must exist. A replaced file goes to the trash. After kChanged
  // the staged file may be used up: stage it again.
  virtual absl::StatusOr<ApplyResult> InstallFile(StagedFile& staged, const RelPath& path,
                                                  const std::optional<Fingerprint>& expected) = 0;
  virtual absl::StatusOr<ApplyResult> InstallSymlink(
      const RelPath& path, const std::string& target, int64_t mtime_ns,
      const std::optional<Fingerprint>& expected) = 0;
  // Applied also when the directory is there already (its mode is set).
  virtual absl::StatusOr<ApplyResult> MakeDirectory(const RelPath& path, uint32_t mode) = 0;
  // Sets mode (files, directories) and mtime (files, symlinks) of what stands there.
  virtual absl::StatusOr<ApplyResult> SetMetadata(const RelPath& path, const Fingerprint& expected,
                                                  uint32_t mode, int64_t mtime_ns) = 0;
  // Files and symlinks go to the trash; a directory must be empty (kNotEmpty). Applied when
  // nothing is there.
  virtual absl::StatusOr<ApplyResult> Remove(const RelPath& path, const Fingerprint& expected) = 0;
  // One rename(2), of a file or a whole directory; nothing may stand at `to`.
  virtual absl::StatusOr<ApplyResult> Move(const RelPath& from, const Fingerprint& expected,
                                           const RelPath& to) = 0;
  // The same for a file or symlink in place of another one, `replaced`, which goes to the trash;
  // one exchange where the location can. Dying in between may leave what is replaced at `from`.
  virtual absl::StatusOr<ApplyResult> MoveOver(const RelPath& from, const Fingerprint& expected,
                                               const RelPath& to, const Fingerprint& replaced);
  // Makes the names installed, removed and moved in these directories durable, grouped.
  virtual absl::Status SyncDirectories(std::span<const RelPath> directories) = 0;

  virtual absl::StatusOr<std::unique_ptr<Watcher>> NewWatcher() = 0;

  // Removes what a stopped agent left in tmp/, and trash older than `trash_age`.
  virtual absl::Status CleanUp(absl::Duration trash_age) = 0;
};

}  // namespace filesync
