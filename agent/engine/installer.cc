#include "agent/engine/installer.h"

#include "agent/engine/local_attributes.h"
#include "agent/engine/mounts_below.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr uint32_t kNewParentMode = 0755;

}  // namespace

absl::StatusOr<RelPath> MoveToConflictCopy(EngineContext& context, const LocalEntry& local,
                                           const char* why) {
  const int64_t now = absl::ToUnixSeconds(context.clock->Now());
  for (int attempt = 0; attempt < kConflictNameAttempts; ++attempt) {
    const RelPath copy = ConflictCopyPath(local.path, now, context.agent_name, attempt);
    const Look look = context.location->LookAt(copy);
    if (look.presence == Look::Presence::kPresent) continue;
    FS_ASSIGN_OR_RETURN(const ApplyResult moved,
                        context.location->Move(local.path, local.fingerprint, copy));
    if (moved.kind != ApplyKind::kApplied) return Aborted("it changed meanwhile");
    context.conflict_origin[copy] = local.path;
    context.focus.Add(copy);
    ++context.stats.conflicts;
    context.log->Info("conflict: {} was changed here and elsewhere; what was here is now {}",
                      local.path.ForPeople(), copy.ForPeople());
    context.Emit({.kind = SyncEvent::Kind::kConflict, .path = local.path, .to = copy, .why = why});
    context.Dirty(copy);
    // What is in it came along, and nobody else says so.
    if (local.type == LocalType::kDirectory) context.scan_subtree(copy);
    return copy;
  }
  return ResourceExhausted("no name is left for a conflict copy");
}

Installed Installer::FromResult(const absl::StatusOr<ApplyResult>& result) {
  Installed installed;
  if (!result.ok()) {
    installed.kind = Installed::Kind::kFailed;
    installed.status = result.status();
    return installed;
  }
  switch (result->kind) {
    case ApplyKind::kApplied:
      installed.kind = Installed::Kind::kDone;
      installed.fingerprint = result->fingerprint;
      installed.now = result->now;
      break;
    case ApplyKind::kChanged:
      installed.kind = Installed::Kind::kChanged;
      break;
    case ApplyKind::kNotEmpty:
      installed.kind = Installed::Kind::kOccupied;
      break;
  }
  return installed;
}

absl::Status Installer::PutAside(const LocalEntry& local) {
  FS_ASSIGN_OR_RETURN(
      const RelPath copy,
      MoveToConflictCopy(*context_, local, "a file here, a directory there is needed"));
  Changed(copy);
  FS_RETURN_IF_ERROR(context_->state->DeleteBase(local.path));
  return absl::OkStatus();
}

// The folder has a live entry below `path`'s parent, so the parent is a directory there: it is
// made again where it was deleted here, and a file that took its name steps aside.
absl::Status Installer::EnsureParent(const RelPath& path) {
  const RelPath parent = path.Parent();
  if (parent.IsRoot() || parent == parent_) return absl::OkStatus();
  FS_RETURN_IF_ERROR(ProveSameFileSystem(*context_, parent));
  const Look look = context_->location->LookAt(parent);
  if (look.presence == Look::Presence::kUnknown) return look.why;
  if (look.presence == Look::Presence::kPresent) {
    if (look.entry.type == LocalType::kDirectory) {
      parent_ = parent;
      return absl::OkStatus();
    }
    if (look.entry.type == LocalType::kOther) {
      return FailedPrecondition("{} is neither file nor directory here", parent.ForPeople());
    }
    FS_RETURN_IF_ERROR(PutAside(look.entry));
  } else {
    FS_RETURN_IF_ERROR(EnsureParent(parent));
  }
  uint32_t mode = kNewParentMode;
  FS_ASSIGN_OR_RETURN(std::optional<BaseRow> base, context_->state->GetBase(parent));
  if (base.has_value() && base->entry.type == EntryType::kDirectory) mode = base->entry.mode;
  Attributes attributes;
  if (base.has_value()) attributes = base->entry.attributes;
  FS_ASSIGN_OR_RETURN(const ApplyResult made,
                      ApplyAttributes(*context_, parent,
                                      context_->location->MakeDirectory(parent, mode), attributes));
  if (made.kind != ApplyKind::kApplied) return Aborted("{} changed meanwhile", parent.ForPeople());
  if (base.has_value() && base->entry.type == EntryType::kDirectory) {
    base->fingerprint = made.fingerprint;
    base->local = made.now;
    FS_RETURN_IF_ERROR(context_->state->PutBase(*base));
  }
  Changed(parent);
  context_->arrivals.Add(parent, context_->clock->Now());
  touched_.push_back(parent);
  context_->Emit(
      {.kind = SyncEvent::Kind::kDownloaded, .path = parent, .why = "needed for what is in it"});
  return absl::OkStatus();
}

Installed Installer::Remove(const Situation& situation) {
  parent_ = RelPath();
  Changed(situation.path);
  const Fingerprint& expected = situation.look.entry.fingerprint;
  Installed removed = FromResult(context_->location->Remove(situation.path, expected));
  if (removed.kind == Installed::Kind::kOccupied && RemoveDeletable(situation.path)) {
    removed = FromResult(context_->location->Remove(situation.path, expected));
  }
  return removed;
}

// Empties a directory that holds nothing but what the rules call deletable; else leaves it.
bool Installer::RemoveDeletable(const RelPath& directory) {
  const absl::StatusOr<Listing> listing = context_->location->List(directory);
  if (!listing.ok() || !listing->skipped.empty()) return false;
  for (const LocalEntry& entry : listing->entries) {
    const bool is_directory = entry.type == LocalType::kDirectory;
    const Filters::Judgement judgement = context_->filters->Judge(entry.path, is_directory);
    if (!judgement.ignored || !judgement.deletable) return false;
  }
  for (const LocalEntry& entry : listing->entries) {
    if (entry.type == LocalType::kDirectory && !RemoveDeletable(entry.path)) return false;
    const absl::StatusOr<ApplyResult> removed =
        context_->location->Remove(entry.path, entry.fingerprint);
    if (!removed.ok() || removed->kind != ApplyKind::kApplied) return false;
    context_->Emit({.kind = SyncEvent::Kind::kDeletedHere,
                    .path = entry.path,
                    .why = "ignored and deletable, and its directory goes"});
  }
  Changed(directory);
  return true;
}

Installed Installer::Install(const Situation& situation, const Entry& target, StagedFile* staged) {
  Installed installed = TryInstall(situation, target, staged);
  const bool parent_was_known = !parent_.IsRoot() && target.path.Parent() == parent_;
  if (installed.kind != Installed::Kind::kFailed || !absl::IsNotFound(installed.status) ||
      situation.present() || !parent_was_known) {
    return installed;
  }
  // The directory may have gone since something else was put into it.
  parent_ = RelPath();
  return TryInstall(situation, target, staged);
}

Installed Installer::TryInstall(const Situation& situation, const Entry& target,
                                StagedFile* staged) {
  if (!target.IsLive()) {
    if (situation.present()) Changed(target.path);
    return Remove(situation);
  }
  std::optional<Fingerprint> expected;
  if (situation.present()) expected = situation.look.entry.fingerprint;
  const bool local_directory = situation.is_directory();
  const bool target_directory = target.type == EntryType::kDirectory;
  if (situation.present() && local_directory != target_directory) {
    Installed removed = Remove(situation);
    if (removed.kind != Installed::Kind::kDone) return removed;
    expected.reset();
  }
  if (!situation.present()) {
    if (absl::Status parent = EnsureParent(target.path); !parent.ok()) {
      Installed failed;
      failed.kind = absl::IsAborted(parent) ? Installed::Kind::kChanged : Installed::Kind::kFailed;
      failed.status = std::move(parent);
      return failed;
    }
  }
  Changed(target.path);
  if (!situation.present()) context_->arrivals.Add(target.path, context_->clock->Now());
  return FromResult(Place(target, staged, expected));
}

absl::StatusOr<ApplyResult> Installer::Place(const Entry& target, StagedFile* staged,
                                             const std::optional<Fingerprint>& expected) {
  Location& location = *context_->location;
  const RelPath& path = target.path;
  switch (target.type) {
    case EntryType::kDirectory:
      return ApplyAttributes(*context_, path, location.MakeDirectory(path, target.mode),
                             target.attributes);
    case EntryType::kSymlink:
      return ApplyAttributes(
          *context_, path,
          location.InstallSymlink(path, target.symlink_target, target.mtime_ns, expected),
          target.attributes);
    case EntryType::kFile:
      // A staged file has its attributes already.
      if (staged != nullptr) return location.InstallFile(*staged, path, expected);
      return ApplyAttributes(*context_, path,
                             location.SetMetadata(path, expected.value_or(Fingerprint()),
                                                  target.mode, target.mtime_ns),
                             target.attributes);
    case EntryType::kTombstone:
      break;
  }
  return Internal("a tombstone is not placed");
}

absl::Status Installer::Sync() {
  const std::vector<RelPath> directories(directories_.begin(), directories_.end());
  directories_.clear();
  if (directories.empty()) return absl::OkStatus();
  return context_->location->SyncDirectories(directories);
}

}  // namespace filesync
