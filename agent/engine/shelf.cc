#include "agent/engine/shelf.h"

#include <optional>
#include <vector>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kPage = 1000;

absl::Status ShelveBase(State& state, const RelPath& path) {
  FS_ASSIGN_OR_RETURN(const std::vector<BaseRow> rows, state.BaseTree(path));
  for (const BaseRow& row : rows) {
    FS_RETURN_IF_ERROR(state.PutIgnored({row.entry, row.entry, row.incarnation}));
    FS_RETURN_IF_ERROR(state.DeleteBase(row.entry.path));
  }
  return absl::OkStatus();
}

// The folder holds `entry` there now. What was agreed before stays known, unless the folder has
// nothing there any more.
absl::Status PutOnTop(State& state, const Entry& entry) {
  if (!entry.IsLive()) return state.DeleteIgnored(entry.path);
  FS_ASSIGN_OR_RETURN(const std::optional<IgnoredRow> known, state.GetIgnored(entry.path));
  IgnoredRow row = known.value_or(IgnoredRow());
  row.entry = entry;
  return state.PutIgnored(row);
}

// What waits to be applied is newer than the base.
absl::Status ShelveRemote(State& state, const RelPath& path) {
  FS_ASSIGN_OR_RETURN(const std::optional<Entry> remote, state.GetRemote(path));
  if (!remote.has_value()) return absl::OkStatus();
  FS_RETURN_IF_ERROR(PutOnTop(state, *remote));
  return state.DeleteRemote(path);
}

absl::Status ShelveRemoteTree(State& state, const RelPath& path) {
  FS_RETURN_IF_ERROR(ShelveRemote(state, path));
  RelPath after = path;
  while (true) {
    FS_ASSIGN_OR_RETURN(const std::vector<RelPath> page, state.RemotePage(after, kPage));
    for (const RelPath& below : page) {
      if (!below.IsAtOrBelow(path)) return absl::OkStatus();
      FS_RETURN_IF_ERROR(ShelveRemote(state, below));
      after = below;
    }
    if (page.size() < kPage) return absl::OkStatus();
  }
}

}  // namespace

absl::Status Shelve(EngineContext& context, const RelPath& path) {
  State::Transaction transaction(context.state);
  FS_RETURN_IF_ERROR(ShelveBase(*context.state, path));
  FS_RETURN_IF_ERROR(ShelveRemoteTree(*context.state, path));
  return transaction.Commit();
}

absl::Status ShelveEntry(State& state, const Entry& entry) {
  FS_ASSIGN_OR_RETURN(const std::optional<BaseRow> base, state.GetBase(entry.path));
  if (base.has_value()) {
    FS_RETURN_IF_ERROR(state.PutIgnored({base->entry, base->entry, base->incarnation}));
    FS_RETURN_IF_ERROR(state.DeleteBase(entry.path));
  }
  FS_RETURN_IF_ERROR(PutOnTop(state, entry));
  return state.DeleteRemoteUpTo(entry.path, entry.version);
}

namespace {

// What was agreed before and is still here is compared with that; what is not here any more is
// not taken for deleted, because nobody watched it go.
absl::Status TakeOut(EngineContext& context, const IgnoredRow& row) {
  State& state = *context.state;
  const RelPath& path = row.entry.path;
  const Look look = context.location->LookAt(path);
  const bool file_here =
      look.presence == Look::Presence::kPresent && look.entry.type != LocalType::kDirectory;
  const bool compare = row.base.has_value() && row.base->type != EntryType::kDirectory && file_here;
  if (compare) FS_RETURN_IF_ERROR(state.PutBase({*row.base, row.incarnation, Fingerprint()}));
  if (!compare || row.entry.version > row.base->version) {
    FS_RETURN_IF_ERROR(state.PutRemote(row.entry));
  }
  FS_RETURN_IF_ERROR(state.DeleteIgnored(path));
  context.Dirty(path);
  return absl::OkStatus();
}

}  // namespace

absl::Status Unshelve(EngineContext& context, const RelPath& directory) {
  State::Transaction transaction(context.state);
  std::optional<RelPath> after;
  if (!directory.IsRoot()) after = directory;
  while (true) {
    FS_ASSIGN_OR_RETURN(const std::vector<IgnoredRow> page,
                        context.state->IgnoredPage(after, kPage));
    for (const IgnoredRow& row : page) {
      const RelPath& path = row.entry.path;
      if (!path.IsAtOrBelow(directory)) return transaction.Commit();
      after = path;
      if (context.filters->Ignores(path, row.entry.type == EntryType::kDirectory)) continue;
      FS_RETURN_IF_ERROR(TakeOut(context, row));
    }
    if (page.size() < kPage) return transaction.Commit();
  }
}

}  // namespace filesync
