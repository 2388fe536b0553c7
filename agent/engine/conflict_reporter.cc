#include "agent/engine/conflict_reporter.h"

#include <algorithm>

#include "libs/base/status.h"

namespace filesync {
namespace {

// A busy agent does not wait for its first quiet moment for ever.
constexpr absl::Duration kQuietWithin = absl::Seconds(10);
constexpr absl::Duration kBetweenReports = absl::Milliseconds(200);
// A server that does not answer (an old one) holds nothing up.
constexpr absl::Duration kServerAnswersWithin = absl::Seconds(3);
// Keeps the message well under the server's receive limit.
constexpr size_t kReportBytes = 2 << 20;
constexpr size_t kBytesBesidesPath = 160;

}  // namespace

bool ConflictReporter::HasNews() const {
  return !ever_reported_ || session_ != context_->session ||
         reported_ != context_->failures.conflict_changes();
}

void ConflictReporter::Step(bool quiet) {
  if (!context_->welcome.has_value()) return;
  const absl::Time now = context_->clock->Now();
  if (welcomed_ == absl::InfiniteFuture() || welcomed_session_ != context_->session) {
    welcomed_ = now;
    welcomed_session_ = context_->session;
    recorded_ = true;
  }
  was_quiet_ = was_quiet_ || quiet;
  if (!HasNews() || now < NextTime()) return;
  const absl::Status sent = context_->link->SendHeldConflicts(Collect());
  // A stream that broke is noticed by its reader; the next one gets a report of its own.
  if (!sent.ok()) return;
  Sent();
}

void ConflictReporter::Sent() {
  ever_reported_ = true;
  session_ = context_->session;
  reported_ = context_->failures.conflict_changes();
  recorded_ = false;
  sent_ = context_->clock->Now();
}

void ConflictReporter::Settled(const RelPath& path) {
  if (!context_->welcome.has_value() || !HasNews()) return;
  ConflictReport report;
  report.settled.push_back(path);
  if (!context_->link->SendHeldConflicts(report).ok()) return;
  Sent();
}

void ConflictReporter::OnRecorded() { recorded_ = true; }

bool ConflictReporter::Waiting() const {
  if (!context_->welcome.has_value()) return false;
  if (HasNews()) return true;
  return !recorded_ && context_->clock->Now() - sent_ < kServerAnswersWithin;
}

absl::Time ConflictReporter::NextTime() const {
  if (!context_->welcome.has_value() || !HasNews()) return absl::InfiniteFuture();
  if (!was_quiet_) return welcomed_ + kQuietWithin;
  return sent_ + kBetweenReports;
}

ConflictReport ConflictReporter::Collect() const {
  ConflictReport report;
  report.within = context_->focus.subtree().value_or(RelPath());
  size_t bytes = 0;
  for (const auto& [path, failure] : context_->failures.all()) {
    if (!failure.held.has_value()) continue;
    bytes += path.bytes().size() + kBytesBesidesPath;
    if (report.conflicts.size() < kMaxReportedConflicts && bytes <= kReportBytes) {
      report.conflicts.push_back(*failure.held);
    } else {
      ++report.omitted;
    }
  }
  return report;
}

}  // namespace filesync
