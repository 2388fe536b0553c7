#include "agent/engine/engine_context.h"

#include <algorithm>
#include <utility>

#include "agent/engine/scanner.h"
#include "libs/base/status.h"

namespace filesync {

absl::Duration Failures::Add(const RelPath& path, const absl::Status& why) {
  Failure& failure = failures_[path];
  failure.reason = std::string(ToStd(why.message()));
  if (failure.conflict) ++conflict_changes_;
  failure.conflict = false;
  failure.held.reset();
  const int doublings = std::min(failure.attempts++, 6);
  return std::min(absl::Seconds(60), absl::Seconds(1 << doublings));
}

void Failures::AddConflict(HeldConflict held, std::string reason) {
  Failure& failure = failures_[held.path];
  failure.reason = std::move(reason);
  failure.conflict = true;
  if (failure.held == held) return;
  failure.held = std::move(held);
  ++conflict_changes_;
}

void Failures::Clear(const RelPath& path) {
  const auto it = failures_.find(path);
  if (it == failures_.end()) return;
  if (it->second.conflict) ++conflict_changes_;
  failures_.erase(it);
}

void Failures::ClearTree(const RelPath& directory) {
  auto it = failures_.lower_bound(directory);
  while (it != failures_.end() && it->first.IsAtOrBelow(directory)) {
    if (it->second.conflict) ++conflict_changes_;
    it = failures_.erase(it);
  }
}

bool Failures::IsConflict(const RelPath& path) const {
  const auto it = failures_.find(path);
  return it != failures_.end() && it->second.conflict;
}

void EngineStats::Count(SyncEvent::Kind kind) {
  switch (kind) {
    case SyncEvent::Kind::kUploaded:
      ++sent;
      break;
    case SyncEvent::Kind::kDownloaded:
      ++received;
      break;
    case SyncEvent::Kind::kDeletedThere:
      ++deleted_there;
      break;
    case SyncEvent::Kind::kDeletedHere:
      ++deleted_here;
      break;
    case SyncEvent::Kind::kMovedHere:
    case SyncEvent::Kind::kMovedThere:
      ++moved;
      break;
    case SyncEvent::Kind::kConflict:
    case SyncEvent::Kind::kConflictHeld:
    case SyncEvent::Kind::kFailed:
      break;
  }
}

bool InFlight::Claim(const RelPath& path) {
  const auto [it, inserted] = claimed_.try_emplace(path, false);
  if (!inserted) it->second = true;
  return inserted;
}

bool InFlight::Release(const RelPath& path) {
  const auto it = claimed_.find(path);
  if (it == claimed_.end()) return false;
  const bool asked = it->second;
  claimed_.erase(it);
  return asked;
}

std::vector<RelPath> InFlight::Paths() const {
  std::vector<RelPath> paths;
  for (const auto& [path, asked] : claimed_) paths.push_back(path);
  return paths;
}

void EngineContext::Fail(const RelPath& path, const absl::Status& why) {
  // Whoever looks there says so.
  if (!focus.Shows(path)) return;
  const bool known = failures.all().contains(path);
  const absl::Duration wait = failures.Add(path, why);
  dirty.Postpone(path, clock->Now() + wait);
  if (known) return;
  log->Warn("{}: {}", path.ForPeople(), ToStd(why.message()));
  Emit({.kind = SyncEvent::Kind::kFailed, .path = path, .why = std::string(ToStd(why.message()))});
}

void EngineContext::Hold(HeldConflict held, const char* why) {
  const RelPath path = held.path;
  const bool news = !failures.IsConflict(path);
  failures.AddConflict(std::move(held), why);
  if (!news) return;
  ++stats.conflicts;
  log->Warn("{}: {}", path.ForPeople(), why);
  Emit({.kind = SyncEvent::Kind::kConflictHeld, .path = path, .why = why});
}

void EngineContext::SaySkipped(const RelPath& path) {
  SayOnce(fmt::format("skipped {}: {}", path.ForPeople(), kNotSynced));
}

void EngineContext::NoteLoss(const RelPath& path, const AttributeLoss& loss) {
  const auto note = [this, &path](const char* what, const absl::Status& why) {
    if (why.ok() || !said.insert(fmt::format("{}: {}", what, ToStd(why.message()))).second) return;
    log->Info(
        "{}: its {} can't be stored here ({}); it is passed on to others unchanged. Said once",
        path.ForPeople(), what, ToStd(why.message()));
  };
  note("mode or time", loss.mode);
  note("owner or group", loss.owner);
  note("extended attributes", loss.xattrs);
}

bool EngineContext::RetryIsPlanned(const RelPath& path) const {
  return failures.all().contains(path) && dirty.Contains(path);
}

void EngineContext::ForgetUnknown(const RelPath& directory) {
  for (auto it = unknown.begin(); it != unknown.end();) {
    const auto here = it++;
    if (!here->first.IsAtOrBelow(directory)) continue;
    if (std::exchange(here->second, false)) continue;
    failures.Clear(here->first);
    unknown.erase(here);
  }
}

Entry ToEntry(const LocalEntry& local) {
  Entry entry;
  entry.path = local.path;
  if (local.type != LocalType::kOther) entry.attributes = local.attributes;
  switch (local.type) {
    case LocalType::kFile:
      entry.type = EntryType::kFile;
      entry.mode = local.mode;
      entry.mtime_ns = local.fingerprint.mtime_ns;
      break;
    case LocalType::kDirectory:
      entry.type = EntryType::kDirectory;
      entry.mode = local.mode;
      break;
    case LocalType::kSymlink:
      entry.type = EntryType::kSymlink;
      entry.mtime_ns = local.fingerprint.mtime_ns;
      entry.symlink_target = local.symlink_target;
      break;
    case LocalType::kOther:
      entry.type = EntryType::kTombstone;
      break;
  }
  return entry;
}

}  // namespace filesync
