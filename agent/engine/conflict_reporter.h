// ConflictReporter: tells the server which conflicts wait for a person here, so that every host
// can list them: all of them once per stream, when a scan has found what was held, and whenever
// they change. Engine's thread.
#pragma once

#include "agent/engine/engine_context.h"

namespace filesync {

class ConflictReporter {
 public:
  explicit ConflictReporter(EngineContext* context) : context_(context) {}

  // Reports what is news. `quiet`: nothing is under way that may settle or find conflicts.
  void Step(bool quiet);
  // Reports, once per stream, that `path` is settled, and nothing else.
  void Settled(const RelPath& path);
  // The server recorded the last report.
  void OnRecorded();
  // A one-shot run must not end before what it holds is known to the server.
  bool Waiting() const;
  // When Step has something to do next; InfiniteFuture: when something else happens.
  absl::Time NextTime() const;

 private:
  ConflictReport Collect() const;
  bool HasNews() const;
  void Sent();

  EngineContext* const context_;
  bool was_quiet_ = false;
  // The stream and the count of changes that were reported last; 0: nothing was.
  uint64_t session_ = 0;
  uint64_t reported_ = 0;
  bool ever_reported_ = false;
  bool recorded_ = true;
  absl::Time welcomed_ = absl::InfiniteFuture();
  uint64_t welcomed_session_ = 0;
  absl::Time sent_ = absl::InfinitePast();
};

}  // namespace filesync
