#include "agent/engine/scanner.h"

#include <optional>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kBatch = 500;
constexpr size_t kBasePage = 1000;

// The base rows below a directory, in path order, a page at a time.
class BaseCursor {
 public:
  BaseCursor(State& state, const RelPath& directory)
      : state_(state), directory_(directory), after_(directory) {}

  // The current row; null at the end.
  absl::StatusOr<const BaseRow*> Peek() {
    if (next_ == page_.size() && !last_) {
      FS_ASSIGN_OR_RETURN(page_, state_.BasePageBelow(directory_, after_, kBasePage));
      next_ = 0;
      last_ = page_.size() < kBasePage;
      if (!last_) after_ = page_.back().entry.path;
    }
    return next_ == page_.size() ? nullptr : &page_[next_];
  }
  void Next() { ++next_; }

 private:
  State& state_;
  const RelPath directory_;
  RelPath after_;
  std::vector<BaseRow> page_;
  size_t next_ = 0;
  bool last_ = false;  // no page comes after this one
};

// A file's ctime tells of new attributes; a directory's tells of everything.
bool AgreeingIds(const Attributes& a, const Attributes& b) {
  const bool owners = a.owner == nullptr || b.owner == nullptr ||
                      (a.owner->uid == b.owner->uid && a.owner->gid == b.owner->gid);
  return owners && AgreeingAttributes({nullptr, a.xattrs}, {nullptr, b.xattrs});
}

// The attributes that stand there are those of the row.
bool AttributesAgree(const LocalEntry& local, const BaseRow& base) {
  const Attributes& before = base.local.attributes;
  return !SaysMore(local.attributes, before) && AgreeingIds(local.attributes, before);
}

// By what the file was when it was last in step. Permissions and attributes always count, and so
// does what is no file.
bool NeedsNoLook(const LocalEntry& local, const BaseRow& base, CompareBy compare) {
  const bool files = local.type == LocalType::kFile && base.entry.type == EntryType::kFile;
  const bool by_stat = compare == CompareBy::kQuick || compare == CompareBy::kHash;
  const Fingerprint& before = base.fingerprint;
  // A base without an inode never was in step, and one without a ctime is to be looked at.
  if (by_stat || !files || before.inode == 0 || before.ctime_ns == 0) {
    return Unchanged(local, base);
  }
  const bool same_size = local.fingerprint.size == before.size;
  const bool same_mtime = local.fingerprint.mtime_ns == before.mtime_ns;
  return local.mode == base.LocalMode() && AttributesAgree(local, base) &&
         (same_size || compare == CompareBy::kMtime) && (same_mtime || compare == CompareBy::kSize);
}

class Walk {
 public:
  Walk(const RelPath& root, Location& location, Watcher* watcher, Filters& filters, State& state,
       ScanSink& sink, CompareBy compare)
      : root_(root),
        location_(location),
        watcher_(watcher),
        filters_(filters),
        base_(state, root),
        sink_(sink),
        compare_(compare) {}

  // `watched`: the directory itself is, since a moment ago.
  absl::StatusOr<ScanTotals> Run(bool watched) {
    if (root_.IsRoot() || !filters_.Ignores(root_, /*is_directory=*/true)) {
      FS_RETURN_IF_ERROR(Descend(root_, std::nullopt, watched));
    }
    FS_RETURN_IF_ERROR(SkipTo(nullptr));
    if (sink_.Cancelled()) return Cancelled("scan cancelled");
    FlushCandidates();
    FlushToRead();
    for (size_t begin = 0; begin < missing_.size(); begin += kBatch) {
      const size_t end = std::min(missing_.size(), begin + kBatch);
      sink_.OnMissing({missing_.begin() + begin, missing_.begin() + end});
    }
    return totals_;
  }

 private:
  // Lists `directory` and joins what is in it with the base. `remembered_device` is the device
  // it was on when it was last in step.
  absl::Status Descend(const RelPath& directory, std::optional<uint64_t> remembered_device,
                       bool watched) {
    if (sink_.Cancelled()) return Cancelled("scan cancelled");
    if (watcher_ != nullptr && !watched) {
      if (absl::Status set = watcher_->Watch(directory).status();
          !set.ok() && !absl::IsResourceExhausted(set)) {
        return Unknown(directory, set);
      }
    }
    absl::StatusOr<Listing> listing = location_.List(directory);
    if (!listing.ok()) return Unknown(directory, listing.status());
    if (remembered_device.has_value()) {
      const Look look = location_.LookAt(directory);
      if (look.presence != Look::Presence::kPresent ||
          look.entry.fingerprint.device != *remembered_device) {
        return Unknown(directory, FailedPrecondition("another file system is mounted here, or a "
                                                     "mount that was here is gone"));
      }
    }
    filters_.Reload(directory);
    for (const std::string& name : listing->skipped) {
      sink_.OnSkipped(EscapeForPeople(directory.bytes() + "/" + name) + ": not a name that syncs");
    }
    for (const LocalEntry& entry : listing->entries) FS_RETURN_IF_ERROR(Visit(entry));
    return absl::OkStatus();
  }

  absl::Status Visit(const LocalEntry& entry) {
    ++totals_.seen;
    FS_RETURN_IF_ERROR(SkipTo(&entry.path));
    if (filters_.IgnoresBelowVisible(entry.path, entry.type == LocalType::kDirectory)) {
      return PassOver(entry.path);
    }
    FS_ASSIGN_OR_RETURN(const BaseRow* row, base_.Peek());
    std::optional<uint64_t> device;
    const bool known = row != nullptr && row->entry.path == entry.path;
    const bool unchanged = known && NeedsNoLook(entry, *row, compare_);
    if (known && row->entry.type == EntryType::kDirectory) device = row->fingerprint.device;
    if (known) base_.Next();
    if (entry.type == LocalType::kOther) {
      sink_.OnSkipped(fmt::format("{}: {}", entry.path.ForPeople(), kNotSynced));
      if (!known) return absl::OkStatus();
    }
    if (!unchanged && entry.type == LocalType::kFile) {
      ++found_files_;
      found_bytes_ += entry.fingerprint.size;
    }
    if (!unchanged) AddCandidate(entry.path);
    if (unchanged && compare_ == CompareBy::kHash && entry.type == LocalType::kFile) {
      to_read_.push_back(entry.path);
      if (to_read_.size() >= kBatch) FlushToRead();
    }
    if (entry.type == LocalType::kDirectory) {
      return Descend(entry.path, device, /*watched=*/false);
    }
    return absl::OkStatus();
  }

  // Base rows before `path` (all of them when null) were not met in the walk: missing.
  absl::Status SkipTo(const RelPath* path) {
    while (true) {
      FS_ASSIGN_OR_RETURN(const BaseRow* row, base_.Peek());
      if (row == nullptr || (path != nullptr && !(row->entry.path < *path))) {
        return absl::OkStatus();
      }
      missing_.push_back(row->entry.path);
      base_.Next();
    }
  }

  // What is ignored is only named when the base knows it or what is in it.
  absl::Status PassOver(const RelPath& path) {
    bool known = false;
    while (true) {
      FS_ASSIGN_OR_RETURN(const BaseRow* row, base_.Peek());
      if (row == nullptr || !row->entry.path.IsAtOrBelow(path)) break;
      known = true;
      base_.Next();
    }
    if (known) AddCandidate(path);
    return absl::OkStatus();
  }

  // Passes over the base rows below `directory` without a word about them.
  absl::Status Unknown(const RelPath& directory, const absl::Status& why) {
    if (directory == root_ && root_.IsRoot()) return why;
    ++totals_.unknown;
    sink_.OnUnknown(directory, why);
    while (true) {
      FS_ASSIGN_OR_RETURN(const BaseRow* row, base_.Peek());
      if (row == nullptr || !row->entry.path.IsAtOrBelow(directory)) return absl::OkStatus();
      base_.Next();
    }
  }

  void AddCandidate(const RelPath& path) {
    candidates_.push_back(path);
    if (candidates_.size() >= kBatch) FlushCandidates();
  }

  void FlushCandidates() {
    if (candidates_.empty()) return;
    sink_.OnFilesFound(std::exchange(found_files_, 0), std::exchange(found_bytes_, 0));
    sink_.OnCandidates(std::exchange(candidates_, {}));
  }

  void FlushToRead() {
    if (!to_read_.empty()) sink_.OnToRead(std::exchange(to_read_, {}));
  }

  const RelPath root_;
  Location& location_;
  Watcher* watcher_;
  Filters& filters_;
  BaseCursor base_;
  ScanSink& sink_;
  const CompareBy compare_;
  std::vector<RelPath> candidates_;
  std::vector<RelPath> to_read_;
  uint64_t found_files_ = 0;  // among the candidates
  uint64_t found_bytes_ = 0;
  std::vector<RelPath> missing_;
  ScanTotals totals_;
};

}  // namespace

bool SameStat(const LocalEntry& local, const BaseRow& base) {
  switch (base.entry.type) {
    case EntryType::kFile:
      return local.type == LocalType::kFile && local.mode == base.LocalMode() &&
             local.fingerprint == base.fingerprint;
    case EntryType::kDirectory:
      return local.type == LocalType::kDirectory && local.mode == base.LocalMode() &&
             local.fingerprint.device == base.fingerprint.device;
    case EntryType::kSymlink:
      return local.type == LocalType::kSymlink && local.fingerprint == base.fingerprint;
    case EntryType::kTombstone:
      return false;
  }
  return false;
}

bool Unchanged(const LocalEntry& local, const BaseRow& base) {
  return SameStat(local, base) && AttributesAgree(local, base);
}

absl::StatusOr<ScanTotals> Scan(const RelPath& directory, Location& location, Watcher* watcher,
                                Filters& filters, State& state, ScanSink& sink, CompareBy compare) {
  return Walk(directory, location, watcher, filters, state, sink, compare).Run(/*watched=*/false);
}

absl::StatusOr<ScanTotals> ScanIfNew(const RelPath& directory, Location& location, Watcher* watcher,
                                     Filters& filters, State& state, ScanSink& sink,
                                     CompareBy compare) {
  bool watched = false;
  if (watcher != nullptr) {
    const absl::StatusOr<bool> is_new = watcher->Watch(directory);
    if (is_new.ok() && !*is_new) return ScanTotals{.needless = true};
    // What went wrong shows again in the walk, which knows what to make of it.
    watched = is_new.ok();
  }
  return Walk(directory, location, watcher, filters, state, sink, compare).Run(watched);
}

}  // namespace filesync
