#include "agent/engine/moves.h"

#include <algorithm>
#include <map>

#include "agent/engine/local_attributes.h"
#include "agent/engine/mounts_below.h"
#include "agent/engine/rename_follow.h"
#include "agent/engine/scanner.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

class MoveApplier {
 public:
  MoveApplier(EngineContext& context, const std::vector<Entry>& entries) : context_(context) {
    for (const Entry& entry : entries) index_[entry.path] = &entry;
  }

  absl::StatusOr<std::set<RelPath>> Run() {
    // In path order, so that a directory comes before what is in it.
    for (const auto& [path, entry] : index_) {
      if (!entry->IsLive() || entry->moved_from.IsRoot() || done_.contains(path)) continue;
      const Entry* old = Find(entry->moved_from);
      if (old == nullptr || old->IsLive() || old->moved_to != path) continue;
      FS_RETURN_IF_ERROR(entry->type == EntryType::kDirectory ? MoveDirectory(*old, *entry)
                                                              : MoveOne(*old, *entry));
    }
    if (context_.mode == Mode::kTwoWay) FS_RETURN_IF_ERROR(MoveEdited());
    FS_RETURN_IF_ERROR(Record());
    return done_;
  }

 private:
  const Entry* Find(const RelPath& path) const {
    const auto it = index_.find(path);
    return it == index_.end() ? nullptr : it->second;
  }

  bool Free(const RelPath& path) const {
    return !context_.in_flight.Contains(path) && !done_.contains(path);
  }

  // Nothing stands at `path`, and there is a directory to put it in.
  absl::StatusOr<bool> CanPutAt(const RelPath& path) {
    if (context_.location->LookAt(path).presence != Look::Presence::kAbsent) return false;
    FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, context_.state->GetBase(path));
    if (base.has_value()) return false;
    if (!ProveSameFileSystem(context_, path.Parent()).ok()) return false;
    return HaveDirectory(path.Parent());
  }

  // Makes directories that the same commit brings.
  absl::StatusOr<bool> HaveDirectory(const RelPath& directory) {
    if (directory.IsRoot()) return true;
    const Look look = context_.location->LookAt(directory);
    if (look.presence == Look::Presence::kPresent) {
      return look.entry.type == LocalType::kDirectory;
    }
    if (look.presence == Look::Presence::kUnknown) return false;
    const Entry* entry = Find(directory);
    if (entry == nullptr || entry->type != EntryType::kDirectory || !Free(directory)) return false;
    FS_ASSIGN_OR_RETURN(const bool parent, HaveDirectory(directory.Parent()));
    if (!parent) return false;
    FS_ASSIGN_OR_RETURN(const ApplyResult made,
                        ApplyAttributes(context_, directory,
                                        context_.location->MakeDirectory(directory, entry->mode),
                                        entry->attributes));
    if (made.kind != ApplyKind::kApplied) return false;
    Put(*entry, made.fingerprint, made.now);
    touched_.insert(directory.Parent());
    done_.insert(directory);
    context_.Emit({.kind = SyncEvent::Kind::kDownloaded, .path = directory, .why = "new there"});
    return true;
  }

  // The local file at `row` still is what the row says.
  bool StillThere(const BaseRow& row) {
    const Look look = context_.location->LookAt(row.entry.path);
    return look.presence == Look::Presence::kPresent && Unchanged(look.entry, row);
  }

  absl::Status MoveOne(const Entry& old, const Entry& entry) {
    FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> row, context_.state->GetBase(old.path));
    if (!row.has_value() || row->entry.version >= old.version) return absl::OkStatus();
    if (!EqualContent(row->entry, entry) || !Free(old.path) || !Free(entry.path) ||
        !StillThere(*row)) {
      return absl::OkStatus();
    }
    FS_ASSIGN_OR_RETURN(const bool can, CanPutAt(entry.path));
    if (!can) return absl::OkStatus();
    absl::StatusOr<ApplyResult> moved =
        context_.location->Move(old.path, row->fingerprint, entry.path);
    // Whatever was in the way, the ordinary way finds out.
    if (!moved.ok() || moved->kind != ApplyKind::kApplied) return absl::OkStatus();
    Moved(*row, entry, moved->fingerprint);
    return absl::OkStatus();
  }

  // What was edited here goes along with its rename there, whatever became of it at the new name.
  absl::Status MoveEdited() {
    for (const auto& [path, entry] : index_) {
      if (entry->IsLive() || entry->moved_to.IsRoot() || !Free(path)) continue;
      const Entry* target = EndOfChain(*entry);
      if (target == nullptr || !Free(target->path)) continue;
      FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> row, context_.state->GetBase(path));
      if (!row.has_value() || row->entry.version >= entry->version) continue;
      const Look look = context_.location->LookAt(path);
      if (!IsEdited(look, *row)) continue;
      FS_ASSIGN_OR_RETURN(const bool can, CanPutAt(target->path));
      if (!can) continue;
      absl::StatusOr<ApplyResult> moved =
          context_.location->Move(path, look.entry.fingerprint, target->path);
      if (moved.ok() && moved->kind == ApplyKind::kApplied) Followed(*row, *target);
    }
    return absl::OkStatus();
  }

  // The file that a chain of renames ends in; null when it is not among the entries.
  const Entry* EndOfChain(const Entry& tombstone) const {
    const Entry* entry = &tombstone;
    for (size_t steps = 0; entry != nullptr && steps <= index_.size(); ++steps) {
      if (entry->IsLive()) return entry->type == EntryType::kFile ? entry : nullptr;
      if (entry->moved_to.IsRoot()) return nullptr;
      entry = Find(entry->moved_to);
    }
    return nullptr;
  }

  static bool IsEdited(const Look& look, const BaseRow& row) {
    return look.presence == Look::Presence::kPresent && look.entry.type == LocalType::kFile &&
           row.entry.type == EntryType::kFile && !Unchanged(look.entry, row);
  }

  // What was at `row`, edited here, is where the folder has `entry`.
  void Followed(const BaseRow& row, const Entry& entry) {
    followed_.emplace_back(row, entry);
    touched_.insert(row.entry.path.Parent());
    touched_.insert(entry.path.Parent());
    done_.insert(row.entry.path);
    done_.insert(entry.path);
    context_.log->Info("{} was changed here and renamed elsewhere: the change is now at {}",
                       row.entry.path.ForPeople(), entry.path.ForPeople());
    context_.Emit({.kind = SyncEvent::Kind::kMovedHere,
                   .path = row.entry.path,
                   .to = entry.path,
                   .why = "changed here, renamed there"});
  }

  absl::Status MoveDirectory(const Entry& old, const Entry& entry) {
    FS_ASSIGN_OR_RETURN(const std::vector<BaseRow> rows, context_.state->BaseTree(old.path));
    if (rows.empty() || rows.front().entry.path != old.path) return absl::OkStatus();
    for (const BaseRow& row : rows) {
      const RelPath target = row.entry.path.Rebased(old.path, entry.path);
      const Entry* gone = Find(row.entry.path);
      const Entry* come = Find(target);
      const bool moved = gone != nullptr && come != nullptr && !gone->IsLive() &&
                         gone->moved_to == target && EqualContent(row.entry, *come) &&
                         Free(row.entry.path) && Free(target);
      if (!moved) return absl::OkStatus();
    }
    FS_ASSIGN_OR_RETURN(const bool can, CanPutAt(entry.path));
    std::set<RelPath> edited;
    if (!can || !HoldsExactly(rows, edited)) return absl::OkStatus();
    absl::StatusOr<ApplyResult> moved =
        context_.location->Move(old.path, rows.front().fingerprint, entry.path);
    if (!moved.ok() || moved->kind != ApplyKind::kApplied) return absl::OkStatus();
    for (const BaseRow& row : rows) {
      const bool top = row.entry.path == old.path;
      if (edited.contains(row.entry.path)) {
        Followed(row, *Find(row.entry.path.Rebased(old.path, entry.path)));
        continue;
      }
      Moved(row, *Find(row.entry.path.Rebased(old.path, entry.path)),
            top ? moved->fingerprint : row.fingerprint);
    }
    return absl::OkStatus();
  }

  // The local tree is just these rows, unchanged but for edited files, which it tells.
  bool HoldsExactly(const std::vector<BaseRow>& rows, std::set<RelPath>& edited) {
    std::map<RelPath, const BaseRow*> expected;
    for (const BaseRow& row : rows) expected[row.entry.path] = &row;
    std::vector<RelPath> directories = {rows.front().entry.path};
    size_t seen = 1;
    while (!directories.empty()) {
      const RelPath directory = directories.back();
      directories.pop_back();
      const absl::StatusOr<Listing> listing = context_.location->List(directory);
      if (!listing.ok() || !listing->skipped.empty()) return false;
      for (const LocalEntry& local : listing->entries) {
        const auto it = expected.find(local.path);
        if (it == expected.end()) return false;
        if (!Unchanged(local, *it->second)) {
          Look look;
          look.presence = Look::Presence::kPresent;
          look.entry = local;
          if (context_.mode != Mode::kTwoWay || !IsEdited(look, *it->second)) return false;
          edited.insert(local.path);
        }
        ++seen;
        if (local.type == LocalType::kDirectory) directories.push_back(local.path);
      }
    }
    return seen == rows.size();
  }

  // Remembers that what was at `row` is `entry` now.
  void Moved(const BaseRow& row, const Entry& entry, Fingerprint fingerprint) {
    const Entry& before = row.entry;
    LocalMetadata now = row.local;
    if (!EqualState(before, entry)) {
      const absl::StatusOr<ApplyResult> set = ApplyAttributes(
          context_, entry.path,
          context_.location->SetMetadata(entry.path, fingerprint, entry.mode, entry.mtime_ns),
          entry.attributes);
      if (set.ok() && set->kind == ApplyKind::kApplied) {
        fingerprint = set->fingerprint;
        now = set->now;
      } else {
        context_.Dirty(entry.path);
      }
    }
    removed_.push_back(row.entry.path);
    Put(entry, fingerprint, now);
    touched_.insert(row.entry.path.Parent());
    touched_.insert(entry.path.Parent());
    done_.insert(row.entry.path);
    done_.insert(entry.path);
    context_.Emit({.kind = SyncEvent::Kind::kMovedHere,
                   .path = row.entry.path,
                   .to = entry.path,
                   .why = "renamed there"});
  }

  void Put(const Entry& entry, const Fingerprint& fingerprint, const LocalMetadata& now) {
    rows_.push_back({entry, context_.incarnation, fingerprint, now});
  }

  absl::Status Record() {
    if (rows_.empty() && followed_.empty()) return absl::OkStatus();
    // A directory that was renamed away with its parent needs no sync of its own.
    std::vector<RelPath> directories;
    for (const RelPath& directory : touched_) {
      if (context_.location->LookAt(directory).presence == Look::Presence::kPresent ||
          directory.IsRoot()) {
        directories.push_back(directory);
      }
    }
    FS_RETURN_IF_ERROR(context_.location->SyncDirectories(directories));
    State::Transaction transaction(context_.state);
    for (const RelPath& path : removed_) FS_RETURN_IF_ERROR(context_.state->DeleteBase(path));
    for (const BaseRow& row : rows_) FS_RETURN_IF_ERROR(context_.state->PutBase(row));
    for (const auto& [row, entry] : followed_) {
      FS_RETURN_IF_ERROR(RecordFollowed(*context_.state, row, entry));
      FS_RETURN_IF_ERROR(context_.state->DeleteRemote(row.entry.path));
    }
    FS_RETURN_IF_ERROR(transaction.Commit());
    for (const auto& [row, entry] : followed_) {
      context_.ClearFailure(row.entry.path);
      context_.Dirty(entry.path);
    }
    ScanMoved();
    return absl::OkStatus();
  }

  // What changed below a directory after its rename and before its new names were watched shows
  // against the bases that are recorded now.
  void ScanMoved() {
    std::set<RelPath> directories;
    for (const BaseRow& row : rows_) {
      if (row.entry.type == EntryType::kDirectory) directories.insert(row.entry.path);
    }
    for (const RelPath& path : directories) {
      if (!directories.contains(path.Parent())) context_.scan_subtree(path);
    }
  }

  EngineContext& context_;
  std::map<RelPath, const Entry*> index_;
  std::set<RelPath> done_;
  std::set<RelPath> touched_;
  std::vector<RelPath> removed_;
  std::vector<BaseRow> rows_;
  // Edited files: the base of where each was, and what the folder has where it is now.
  std::vector<std::pair<BaseRow, Entry>> followed_;
};

}  // namespace

absl::StatusOr<std::set<RelPath>> ApplyMoves(EngineContext& context,
                                             const std::vector<Entry>& entries) {
  const bool any = std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return !entry.moved_from.IsRoot() || !entry.moved_to.IsRoot();
  });
  if (!any) return std::set<RelPath>();
  return MoveApplier(context, entries).Run();
}

}  // namespace filesync
