// What the engine says of itself. "In sync" is derived, never stored.

#include <algorithm>

#include "agent/engine/location_sync.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kCountInterval = absl::Seconds(1);
constexpr int kSettledAttempts = 3;
constexpr size_t kPathsInStatus = 100;

std::string Losses(uint64_t deletions, uint64_t replacements) {
  std::string text;
  if (deletions > 0) text = fmt::format("{} deletions", deletions);
  if (replacements > 0) {
    text += fmt::format("{}{} replaced files", text.empty() ? "" : " and ", replacements);
  }
  return text;
}

std::string HeldText(const SyncStatus& status) {
  std::string text = ": confirmation needed: ";
  const std::string here = Losses(status.held_deletions, status.held_replacements);
  const std::string there =
      Losses(status.held_incoming_deletions, status.held_incoming_replacements);
  if (!here.empty()) text += here + " here are not passed on";
  if (!there.empty()) {
    text +=
        fmt::format("{}{} from the folder are not applied here", here.empty() ? "" : ", ", there);
  }
  return text + "; 'syncagent confirm' or 'syncagent undo'";
}

}  // namespace

std::string_view SyncStateName(SyncState state) {
  switch (state) {
    case SyncState::kScanning:
      return "scanning";
    case SyncState::kSyncing:
      return "syncing";
    case SyncState::kInSync:
      return "in sync";
    case SyncState::kIncomplete:
      return "incomplete";
    case SyncState::kOffline:
      return "offline";
    case SyncState::kPaused:
      return "paused";
    case SyncState::kHeld:
      return "held";
    case SyncState::kHalted:
      return "halted";
  }
  return "unknown";
}

SyncState LocationSync::DeriveState(uint64_t remote_rows, const Cursor& cursor) const {
  if (!context_.halt.ok()) return SyncState::kHalted;
  if (Paused()) return SyncState::kPaused;
  if (!context_.welcome.has_value()) {
    // A first attempt that is under way is no failure yet.
    const bool connecting = connection_ == Connection::kConnecting && backoff_.failures() == 0;
    return connecting ? SyncState::kSyncing : SyncState::kOffline;
  }
  if (!scanned_ || (observer_ != nullptr && observer_->Scanning())) return SyncState::kScanning;
  const bool quiet = apply_->Idle() && commit_->Idle() && context_.in_flight.size() == 0 &&
                     cursor.version >= context_.head_version && hold_local_until_ == 0;
  if (!quiet) return SyncState::kSyncing;
  if (incoming_->Busy() || gate_->HasReplacements()) return SyncState::kSyncing;
  // Nobody wins before all was looked at.
  if (context_.winner != Winner::kNone && !options_.only.has_value()) return SyncState::kSyncing;
  // What is held is known elsewhere before a one-shot run ends.
  const bool tells = (context_.failures.size() > 0) != LooksAtOnePath();
  if (tells && reporter_.Waiting()) return SyncState::kSyncing;
  if (SomethingHeld() && context_.dirty.size() <= context_.failures.size()) {
    return SyncState::kHeld;
  }
  // What failed waits in the queue for another try, and its remote rows with it.
  if (context_.failures.size() > 0) {
    return context_.dirty.size() <= context_.failures.size() ? SyncState::kIncomplete
                                                             : SyncState::kSyncing;
  }
  // The rows of other paths are for the next agent.
  const bool applied = remote_rows == 0 || options_.only.has_value();
  return context_.dirty.empty() && applied ? SyncState::kInSync : SyncState::kSyncing;
}

// It works, and was said to: nobody waits for the next figures.
bool LocationSync::StillBusy() const {
  if (state_published_ != SyncState::kSyncing && state_published_ != SyncState::kScanning) {
    return false;
  }
  const absl::StatusOr<uint64_t> remote_rows = state_->CountRemote();
  const absl::StatusOr<Cursor> cursor = state_->GetCursor();
  if (!remote_rows.ok() || !cursor.ok()) return false;
  return DeriveState(*remote_rows + apply_->waiting_slices(), *cursor) == state_published_;
}

void LocationSync::PublishStatus() {
  const absl::Time now = clock_->Now();
  status_published_ = now;
  SyncStatus status;
  const absl::StatusOr<uint64_t> remote_rows = state_->CountRemote();
  const absl::StatusOr<Cursor> cursor = state_->GetCursor();
  status.pending_remote = remote_rows.value_or(0) + apply_->waiting_slices();
  status.state = DeriveState(status.pending_remote, cursor.value_or(Cursor()));
  state_published_ = status.state;
  if (status.state == SyncState::kInSync) WarnOfNothing();
  // A run that was asked for ends with figures that are true then.
  const bool over = counted_for_ < scan_requests_ &&
                    (status.state == SyncState::kInSync || status.state == SyncState::kIncomplete ||
                     status.state == SyncState::kHeld);
  if (now - counted_ >= kCountInterval || over) {
    if (over) counted_for_ = scan_requests_;
    if (const absl::StatusOr<BaseCounts> counts = state_->CountBase(); counts.ok()) {
      counts_ = *counts;
    }
    counted_ = now;
  }
  status.held_deletions = gate_->held().deletions;
  status.held_replacements = gate_->held().replacements;
  status.held_incoming_deletions = incoming_->held().deletions;
  status.held_incoming_replacements = incoming_->held().replacements;
  status.held_for_winner = gate_->held().for_winner + incoming_->held().for_winner;
  status.directory = directory_->description();
  status.folder = options_.folder;
  status.server = options_.server;
  status.agent_id = HexEncode(context_.agent_id);
  status.agent_name = options_.agent_name;
  status.applied_version = cursor.ok() ? cursor->version : 0;
  status.state_text = std::string(SyncStateName(status.state));
  if (status.state == SyncState::kHalted) {
    status.state_text += ": " + std::string(ToStd(context_.halt.message()));
  } else if (status.state == SyncState::kHeld) {
    status.state_text += HeldText(status);
  } else if (status.state == SyncState::kPaused && !paused_) {
    status.state_text +=
        absl::FormatTime(" (until %Y-%m-%d %H:%M)", resting_until_, absl::LocalTimeZone());
  } else if (status.state == SyncState::kOffline) {
    const int64_t seconds = std::max<int64_t>(
        0, absl::ToInt64Seconds(absl::Ceil(next_connect_ - now, absl::Seconds(1))));
    status.state_text += connection_ == Connection::kConnecting
                             ? " (connecting)"
                             : fmt::format(" (retry in {} s)", seconds);
  } else if (status.state == SyncState::kIncomplete) {
    status.state_text += fmt::format(": {} paths could not be synced", context_.failures.size());
  }
  status.ever_connected = ever_connected_;
  status.connection_failures = static_cast<uint64_t>(backoff_.failures());
  status.entries = counts_.entries;
  status.bytes = counts_.bytes;
  status.pending_local = context_.dirty.size() + context_.in_flight.size();
  for (const RelPath& path : context_.dirty.Some(kPathsInStatus)) {
    status.pending_paths.push_back(path.ForPeople());
  }
  for (const auto& [path, failure] : context_.failures.all()) {
    if (failure.conflict) ++status.held_conflicts;
    if (failure.conflict || failure.attempts >= kSettledAttempts) ++status.settled_failures;
    if (status.failed_paths.size() == kPathsInStatus) continue;
    status.failed_paths.push_back({path.ForPeople(), failure.reason, failure.attempts});
  }
  status.failed_count = context_.failures.size();
  status.last_error = last_error_;
  status.last_error_at = last_error_at_;
  status.head_version = context_.head_version;
  status.mode = context_.mode;
  status.conflicts = context_.stats.conflicts;
  status.commits = context_.stats.commits;
  status.scans = context_.stats.scans;
  status.scan_seconds = context_.stats.scan_seconds;
  status.reconnects = context_.stats.reconnects;
  status.bytes_hashed = preparer_.BytesHashed();
  status.bytes_sent = link_->BytesSent();
  status.bytes_received = link_->BytesReceived();
  const auto [deduplicated, compressed] = context_.progress.Saved();
  status.bytes_saved = deduplicated + compressed;
  status.bytes_saved_by_deduplication = deduplicated;
  status.bytes_saved_by_compression = compressed;
  status.sent = context_.stats.sent;
  status.received = context_.stats.received;
  status.deleted_there = context_.stats.deleted_there;
  status.deleted_here = context_.stats.deleted_here;
  status.moved = context_.stats.moved;
  status.scan_requests = scan_requests_;
  if (status.state == SyncState::kInSync) context_.progress.Settle();
  if (context_.dirty.empty() && apply_->waiting_slices() == 0) context_.progress.ClearWaiting();
  {
    absl::MutexLock lock(&status_mutex_);
    status_ = status;
  }
  if (on_status_) on_status_(status);
}

SyncStatus LocationSync::status() const {
  absl::MutexLock lock(&status_mutex_);
  return status_;
}

}  // namespace filesync
