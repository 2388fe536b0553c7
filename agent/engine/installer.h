// Installer: puts one decided item into the location, and tells what has to be recorded.
// Engine's thread.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "agent/engine/engine_context.h"
#include "agent/engine/situation.h"

namespace filesync {

// So many names are tried for one conflict copy.
inline constexpr int kConflictNameAttempts = 1000;

// What one item came to.
struct Installed {
  enum class Kind : uint8_t {
    kDone,      // `fingerprint` is how it is now (nothing for a tombstone)
    kChanged,   // the local side is not what was decided on: decide again
    kOccupied,  // a directory that must go holds something the folder does not know
    kFailed,    // `status`
  };
  Kind kind = Kind::kDone;
  Fingerprint fingerprint;
  LocalMetadata now;  // with that fingerprint
  absl::Status status;
};

class Installer {
 public:
  explicit Installer(EngineContext* context) : context_(context) {}

  // Makes the local side `target`. `staged` is the content of a file, null when only metadata
  // has to change.
  Installed Install(const Situation& situation, const Entry& target, StagedFile* staged);
  Installed Remove(const Situation& situation);
  bool RemoveDeletable(const RelPath& directory);

  // Makes all names that were changed durable.
  absl::Status Sync();
  // Directories that were made again or files put aside on the way: to be looked at.
  std::vector<RelPath> TakeTouched() { return std::exchange(touched_, {}); }

 private:
  Installed TryInstall(const Situation& situation, const Entry& target, StagedFile* staged);
  Installed FromResult(const absl::StatusOr<ApplyResult>& result);
  absl::StatusOr<ApplyResult> Place(const Entry& target, StagedFile* staged,
                                    const std::optional<Fingerprint>& expected);
  absl::Status EnsureParent(const RelPath& path);
  absl::Status PutAside(const LocalEntry& local);
  void Changed(const RelPath& path) { directories_.insert(path.Parent()); }

  EngineContext* const context_;
  std::set<RelPath> directories_;
  std::vector<RelPath> touched_;
  // A directory that was there a moment ago; root: none.
  RelPath parent_;
};

// Moves the local file or symlink out of the way, as a conflict copy beside it, and remembers
// that it has to be committed; `why`: a short reason. Returns the copy's path.
absl::StatusOr<RelPath> MoveToConflictCopy(EngineContext& context, const LocalEntry& local,
                                           const char* why);

}  // namespace filesync
