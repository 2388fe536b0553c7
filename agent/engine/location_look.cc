// How one location's engine looks at what is there: what scans and the watcher tell, and when
// everything is looked at again.

#include "agent/engine/jitter.h"
#include "agent/engine/location_sync.h"
#include "agent/engine/shelf.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kLimitedRescan = absl::Seconds(15);
constexpr absl::Duration kModifyingDelay = absl::Milliseconds(200);

}  // namespace

ObserverEvents LocationSync::MakeObserverEvents() {
  ObserverEvents events;
  events.on_candidates = [this](std::vector<RelPath> paths) {
    for (const RelPath& path : paths) context_.Dirty(path);
  };
  events.on_to_read = [this](std::vector<RelPath> paths) {
    for (const RelPath& path : paths) {
      context_.verify.insert(path);
      context_.Dirty(path);
    }
  };
  events.on_missing = [this](std::vector<RelPath> paths) {
    for (const RelPath& path : paths) context_.Dirty(path);
  };
  events.on_unknown = [this](const RelPath& directory, const absl::Status& why) {
    if (absl::IsNotFound(why)) {
      context_.Dirty(directory);
    } else {
      context_.Fail(directory, why);
      if (context_.focus.Shows(directory)) context_.unknown[directory] = true;
    }
  };
  events.on_skipped = [this](const std::string& what) { context_.SayOnce("skipped " + what); };
  events.on_watch = [this](std::vector<WatchEvent> watched) { HandleWatch(watched); };
  events.on_scanned = [this](const RelPath& directory, const absl::Status& status,
                             absl::Duration took) {
    const bool full = directory == options_.only.value_or(RelPath());
    if (!status.ok() && !absl::IsCancelled(status)) {
      if (absl::Status root = directory_->CheckRoot(); !root.ok()) {
        context_.halt = root;
      } else if (directory.IsRoot()) {
        context_.halt = Annotate(status, "cannot scan");
      }
    }
    if (status.ok()) context_.ForgetUnknown(directory);
    gate_->Recheck();
    if (!full) return;
    // A subtree that can't be listed was said to be unknown.
    scanned_ = scanned_ || status.ok() || (!directory.IsRoot() && !absl::IsCancelled(status));
    // Rules may have changed while no agent ran.
    if (absl::Status shown = Unshelve(context_, directory); !shown.ok()) context_.halt = shown;
    ++context_.stats.scans;
    context_.stats.scan_seconds = absl::ToDoubleSeconds(took);
  };
  return events;
}

// Rules changed: what they show now is compared, what they hide now is put away, as the scan
// meets it.
void LocationSync::HandleRuleChanges() {
  for (const RelPath& directory : filters_.TakeChanged()) {
    apply_->early().DropAll();
    log_->Info("{}: the ignore rules of {} changed", directory_->description(),
               directory.IsRoot() ? "the root" : directory.ForPeople());
    if (absl::Status shown = Unshelve(context_, directory); !shown.ok()) context_.halt = shown;
    if (observer_ == nullptr) continue;
    // Rules above a part hold in it, those beside it don't.
    const RelPath part = options_.only.value_or(RelPath());
    if (part.IsAtOrBelow(directory)) {
      RequestFullScan();
    } else if (directory.IsAtOrBelow(part)) {
      observer_->RequestScan(directory);
    }
  }
}

void LocationSync::HandleWatch(const std::vector<WatchEvent>& events) {
  for (const WatchEvent& event : events) {
    switch (event.kind) {
      case WatchEvent::Kind::kChanged:
        // Rules may hide their own file and still change.
        if (filters_.IsRuleFile(event.path)) filters_.Reload(event.path.Parent());
        if (!filters_.Ignores(event.path, /*is_directory=*/false)) context_.Dirty(event.path);
        break;
      case WatchEvent::Kind::kModifying:
        if (!filters_.Ignores(event.path, /*is_directory=*/false)) {
          context_.DirtyAfter(event.path, kModifyingDelay);
        }
        break;
      case WatchEvent::Kind::kDirectory:
        if (filters_.Ignores(event.path, /*is_directory=*/true)) break;
        if (!event.path.IsRoot()) context_.Dirty(event.path);
        observer_->RequestScanIfNew(event.path);
        break;
      case WatchEvent::Kind::kUncertain:
        observer_->RequestScan(event.path);
        break;
      case WatchEvent::Kind::kOverflow:
        log_->Warn("{}: too much changed at once to be followed; scanning everything",
                   directory_->description());
        RequestFullScan();
        break;
      case WatchEvent::Kind::kRootGone:
        if (absl::Status root = directory_->CheckRoot(); !root.ok()) context_.halt = root;
        break;
    }
  }
}

// Everything, or the part that is looked at, which need not be a directory.
void LocationSync::RequestFullScan() {
  if (observer_ == nullptr) return;
  if (!options_.only.has_value()) {
    observer_->RequestFullScan();
    return;
  }
  const RelPath& part = *options_.only;
  for (RelPath path = part; !path.IsRoot(); path = path.Parent()) context_.Dirty(path);
  const Look look = directory_->LookAt(part);
  const bool directory =
      look.presence == Look::Presence::kPresent && look.entry.type == LocalType::kDirectory;
  if (directory) {
    observer_->RequestScan(part);
    return;
  }
  // What was in it is missing with it.
  const absl::StatusOr<std::vector<BaseRow>> rows = state_->BaseTree(part);
  if (!rows.ok()) context_.halt = rows.status();
  for (size_t i = 0; rows.ok() && i < rows->size(); ++i) context_.Dirty((*rows)[i].entry.path);
  scanned_ = true;
}

// A part that was misspelt is in sync, with nothing.
void LocationSync::WarnOfNothing() {
  if (!options_.with_subtree || warned_) return;
  warned_ = true;
  const absl::StatusOr<uint64_t> entries = state_->CountTree(*options_.only);
  if (!entries.ok() || *entries > 0) return;
  log_->Warn("{}: there is nothing at {} to sync, here or in the folder", directory_->description(),
             options_.only->ForPeople());
}

void LocationSync::MaybeRescan() {
  const absl::Time now = clock_->Now();
  if (now < next_rescan_ || observer_ == nullptr) return;
  const absl::Duration interval =
      observer_->WatchLimited() ? kLimitedRescan : options_.rescan_interval;
  next_rescan_ = now + interval * (0.75 + 0.5 * Jitter());
  RequestFullScan();
}

}  // namespace filesync
