#include "agent/cli/progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace filesync {
namespace {

const char* Verb(SyncEvent::Kind kind) {
  switch (kind) {
    case SyncEvent::Kind::kUploaded:
      return "sent";
    case SyncEvent::Kind::kDownloaded:
      return "received";
    case SyncEvent::Kind::kDeletedHere:
      return "deleted here";
    case SyncEvent::Kind::kDeletedThere:
      return "deleted there";
    case SyncEvent::Kind::kMovedHere:
      return "moved here";
    case SyncEvent::Kind::kMovedThere:
      return "moved there";
    case SyncEvent::Kind::kConflict:
      return "conflict";
    case SyncEvent::Kind::kConflictHeld:
      return "conflict held";
    case SyncEvent::Kind::kFailed:
      return "failed";
  }
  return "";
}

uint64_t Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return 0;
  return static_cast<uint64_t>(100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

std::string ForPeople(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string ForPeople(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  if (seconds < 10 && duration > absl::ZeroDuration() &&
      duration % absl::Seconds(1) != absl::ZeroDuration()) {
    return fmt::format("{:.1f} s", absl::ToDoubleSeconds(duration));
  }
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

std::string ForPeople(const SyncEvent& event) {
  std::string text = fmt::format("{} {}", Verb(event.kind), event.path.ForPeople());
  if (!event.to.IsRoot()) return text + " -> " + event.to.ForPeople();
  return event.NeedsReason() && !event.why.empty() ? text + ": " + EscapeForPeople(event.why)
                                                   : text;
}

std::vector<std::string> ProgressLines(const SyncProgress& progress, size_t most) {
  std::vector<std::string> lines;
  if (!progress.Active()) return lines;
  std::string total =
      fmt::format("{} % of {} at {}/s", Percent(progress.bytes_moved, progress.bytes_to_move),
                  ForPeople(progress.bytes_to_move),
                  ForPeople(static_cast<uint64_t>(progress.bytes_per_second)));
  if (progress.eta.has_value()) total += fmt::format(", {} left", ForPeople(*progress.eta));
  total += fmt::format(", {} of {} files", progress.files_moved, progress.files_to_move);
  lines.push_back(std::move(total));
  for (const TransferProgress& transfer : progress.transfers) {
    if (lines.size() > most) break;
    lines.push_back(fmt::format("  {} {:>3} % of {:>9}  {}",
                                transfer.direction == TransferDirection::kUp ? "up  " : "down",
                                Percent(transfer.bytes_done, transfer.bytes_total),
                                ForPeople(transfer.bytes_total), transfer.path.ForPeople()));
  }
  return lines;
}

}  // namespace filesync
