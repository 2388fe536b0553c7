// Scanner: finds what differs from the base by a merge-join of the sorted directory walk with
// the sorted base rows, so memory does not grow with the tree. It decides nothing: it names
// candidates, which the engine looks at again.
//
// Invariant: a path is called missing only when the directory that would hold it was listed
// without error. Below a directory that could not be listed, or that is on another device than
// remembered, nothing is said. What is ignored is named only when the base knows it, so that it is
// put away; ignored directories are not entered. Directories are watched before they are listed.
// Thread-compatible.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "agent/engine/filters.h"
#include "agent/engine/state/state.h"
#include "libs/location/location.h"

namespace filesync {

// What a scan tells, from the scanning thread. Each call may block to slow the scan down.
class ScanSink {
 public:
  virtual ~ScanSink() = default;
  // There, and new or different from the base.
  virtual void OnCandidates(std::vector<RelPath> paths) = 0;
  // Comes before them: how many of them are files, and how many bytes these have in all.
  virtual void OnFilesFound(uint64_t files, uint64_t bytes) {
    (void)files;
    (void)bytes;
  }
  // There and unchanged as far as stat tells, and to be read all the same.
  virtual void OnToRead(std::vector<RelPath> paths) = 0;
  // In the base and not there; told when the walk is over, so that moves can be paired.
  virtual void OnMissing(std::vector<RelPath> paths) = 0;
  // Could not be listed: nothing below it is decided.
  virtual void OnUnknown(const RelPath& directory, const absl::Status& why) = 0;
  // Names and kinds of files that are never synced (FIFOs, illegal names).
  virtual void OnSkipped(const std::string& what) = 0;
  virtual bool Cancelled() = 0;
};

struct ScanTotals {
  uint64_t seen = 0;      // entries listed
  uint64_t unknown = 0;   // directories that could not be listed
  bool needless = false;  // nothing was looked at; see ScanIfNew
};

// Scans `directory` and what is below it; `compare` decides which files are named. An error means
// that the root itself could not be listed or the base not read. `watcher` may be null.
absl::StatusOr<ScanTotals> Scan(const RelPath& directory, Location& location, Watcher* watcher,
                                Filters& filters, State& state, ScanSink& sink,
                                CompareBy compare = CompareBy::kQuick);

// The same, unless `directory` is watched already: then whatever watched it also listed it
// afterwards, and what came since was told by events. For directories that just appeared, which
// the scan of the one above them may have met before.
absl::StatusOr<ScanTotals> ScanIfNew(const RelPath& directory, Location& location, Watcher* watcher,
                                     Filters& filters, State& state, ScanSink& sink,
                                     CompareBy compare = CompareBy::kQuick);

// What is said of FIFOs, sockets and devices.
inline constexpr char kNotSynced[] = "neither file, directory nor symlink";

// True when what stands there is what the row says by its stat, so that its content need not be
// read.
bool SameStat(const LocalEntry& local, const BaseRow& base);
// The same, attributes included.
bool Unchanged(const LocalEntry& local, const BaseRow& base);

}  // namespace filesync
