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

// How an entry's metadata stands in the location, beside what the fingerprint says.
struct LocalMetadata {
  std::optional<uint32_t> mode;  // nullopt: not known
  Attributes attributes;         // null parts: not known, or the location is not to look at them
};

enum class LocalType : uint8_t { kFile, kDirectory, kSymlink, kOther /* FIFO, socket, device */ };

struct LocalEntry {
  RelPath path;
  LocalType type = LocalType::kFile;
  uint32_t mode = 0;           // permission bits & 0777
  std::string symlink_target;  // symlinks
  uint64_t names = 1;          // hard links; more than one only of files
  Fingerprint fingerprint;
  Attributes attributes;  // no older than the fingerprint
  std::string untold;     // why not all attributes could be told; empty: they could
  LocalMetadata Metadata() const { return {mode, attributes}; }
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
  // Where the next byte at or after `offset` is that may be other than zero; UINT64_MAX when none
  // is. `offset` itself where this can't be told without reading.
  virtual uint64_t NextData(uint64_t offset) { return offset; }
  virtual absl::StatusOr<Fingerprint> Stat() = 0;
  // Permission bits now.
  virtual absl::StatusOr<uint32_t> Mode() = 0;
  virtual Attributes LookAtAttributes() { return {}; }
  // True when the name it was opened by still is this inode.
  virtual absl::StatusOr<bool> NameIsStillThis() = 0;
  // True when some process has it open for writing (or this can't be told).
  virtual bool HasWriters() = 0;
  // Returns when the write(2) that is in progress now, if any, has ended, where the file system
  // makes that known. A write stamps the file when it begins: what is read after Stat and this
  // belongs to that stamp, or the stamp is another afterwards.
  virtual void AwaitWrites() {}
};

// What of an entry's metadata a location could not store, and why; ok: nothing. No failure: it is
// kept in the agent's state and passed on.
struct AttributeLoss {
  absl::Status mode;
  absl::Status owner;
  absl::Status xattrs;
};

// A file being made, invisible until installed; dropped (and deleted) if it never is.
// Thread-compatible: one thread at a time.
class StagedFile {
 public:
  virtual ~StagedFile() = default;
  // Runs of zero bytes become holes where the location has such.
  virtual absl::Status Append(std::string_view bytes) = 0;
  // As if so many zero bytes were appended.
  virtual absl::Status AppendZeros(uint64_t count);
  // Sets owner and extended attributes, as far as the location preserves them. Before SetMetadata.
  virtual AttributeLoss SetAttributes(const Attributes& /*wanted*/) { return {}; }
  // Sets what it is to carry. Must be called before it is installed.
  virtual absl::Status SetMetadata(uint32_t mode, int64_t mtime_ns) = 0;
};

// How much of what was replaced and deleted is kept.
struct TrashLimits {
  absl::Duration age = absl::Hours(24 * 30);  // InfiniteDuration: for ever
  uint64_t bytes = UINT64_MAX;                // on the disk, all together; UINT64_MAX: no limit
};

// What a look at the trash removed for good.
struct TrashRemoved {
  uint64_t files = 0;
  uint64_t bytes = 0;
};

enum class ApplyKind : uint8_t {
  kApplied,   // done, or it was already so; `fingerprint` is how it is now
  kChanged,   // what stands there is not what was expected; nothing was lost or replaced
  kNotEmpty,  // a directory that still holds something
};
struct ApplyResult {
  ApplyKind kind = ApplyKind::kApplied;
  Fingerprint fingerprint;
  LocalMetadata now;   // as it was with that fingerprint
  AttributeLoss loss;  // what could not be stored
};

// What was to go is gone already.
inline ApplyResult NothingThere() { return {ApplyKind::kApplied, {}, {}, {}}; }
// It is not what was expected; nothing was done.
inline ApplyResult SomethingElse() { return {ApplyKind::kChanged, {}, {}, {}}; }

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
  // Which attributes are looked at and set.
  virtual Preserve preserve() const { return {}; }

  virtual Look LookAt(const RelPath& path) = 0;
  // A directory's entries; an error means that the directory is unknown, not empty.
  virtual absl::StatusOr<Listing> List(const RelPath& directory) = 0;
  // Follows no symlink. InvalidArgument when it is no regular file.
  virtual absl::StatusOr<std::unique_ptr<LocalFile>> Open(const RelPath& path) = 0;
  // True when file times tell writes apart that follow each other at once (fine-grained
  // kernel timestamps); else a stat younger than two clock ticks is racy.
  virtual bool HasFineGrainedTimes() const = 0;

  // A file that is to be installed at `path`, where parents may be missing still. `size_hint` in
  // bytes, to reserve space: ResourceExhausted when there is none.
  virtual absl::StatusOr<std::unique_ptr<StagedFile>> Stage(const RelPath& path,
                                                            uint64_t size_hint) = 0;
  // The same for a file with large holes: there must be room for the `data_bytes` that are none,
  // but nothing is reserved.
  virtual absl::StatusOr<std::unique_ptr<StagedFile>> StageSparse(const RelPath& path,
                                                                  uint64_t data_bytes) {
    return Stage(path, data_bytes);
  }
  // Makes the staged files' bytes and metadata durable, grouped.
  virtual absl::Status SyncStaged(std::span<StagedFile* const> files) = 0;

  // Installs below: `expected` is the fingerprint that was reconciled against, nullopt when
  // nothing may be there. Parents must exist. A replaced file goes to the trash. After kChanged,
  // and after FailedPrecondition, when it was staged for a path on another file system, the staged
  // file may be used up: stage it again.
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
  // Sets owner and extended attributes of what stands there, as far as the location preserves
  // them.
  virtual absl::StatusOr<ApplyResult> SetAttributes(const RelPath& /*path*/,
                                                    const Fingerprint& expected,
                                                    const Attributes& /*wanted*/) {
    return ApplyResult{ApplyKind::kApplied, expected, {}, {}};
  }
  // Files and symlinks go to the trash; a directory must be empty (kNotEmpty). Applied when
  // nothing is there.
  virtual absl::StatusOr<ApplyResult> Remove(const RelPath& path, const Fingerprint& expected) = 0;
  // One rename(2), of a file or a whole directory; nothing may stand at `to`, and an error when it
  // is on another file system.
  virtual absl::StatusOr<ApplyResult> Move(const RelPath& from, const Fingerprint& expected,
                                           const RelPath& to) = 0;
  // The same for a file or symlink in place of another one, `replaced`, which goes to the trash;
  // one exchange where the location can. Dying in between may leave what is replaced at `from`.
  virtual absl::StatusOr<ApplyResult> MoveOver(const RelPath& from, const Fingerprint& expected,
                                               const RelPath& to, const Fingerprint& replaced);
  // Makes the names installed, removed and moved in these directories durable, grouped.
  virtual absl::Status SyncDirectories(std::span<const RelPath> directories) = 0;

  virtual absl::StatusOr<std::unique_ptr<Watcher>> NewWatcher() = 0;

  // Removes what a stopped agent left in tmp/. Only before anything is staged.
  virtual absl::Status CleanUp() = 0;
  // Removes trash beyond the limits, the oldest first. What came last stays even when it alone is
  // more. May take long; beside anything else.
  virtual absl::StatusOr<TrashRemoved> LimitTrash(const TrashLimits& /*limits*/) {
    return TrashRemoved();
  }
  // Grows when something is put into the trash.
  virtual uint64_t TrashPuts() const { return 0; }
};

}  // namespace filesync
