#include "agent/cli/resolve_command.h"
#include "agent/cli/output.h"

#include "agent/cli/control.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/resolve_alone.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/reconcile/conflict_copies.h"
#include "libs/wire/conflict_list.h"

namespace filesync {
namespace {

using control::v1::Keep;

constexpr absl::Duration kResolvePoll = absl::Milliseconds(50);

std::optional<Keep> ParseKeep(const std::string& text) {
  if (text == "local") return control::v1::KEEP_LOCAL;
  if (text == "remote") return control::v1::KEEP_REMOTE;
  if (text == "both") return control::v1::KEEP_BOTH;
  if (text == "name") return control::v1::KEEP_NAME;
  if (text == "copy") return control::v1::KEEP_COPY;
  return std::nullopt;
}

bool IsOfCopies(Keep keep) {
  return keep == control::v1::KEEP_NAME || keep == control::v1::KEEP_COPY;
}

// The path is not held here: who holds it, as the server knows.
absl::Status WhoHolds(const SyncedPath& synced, const RelPath& path) {
  const std::string name = path.ForPeople();
  if (const auto copy = ParseConflictCopyPath(path); copy.has_value()) {
    return InvalidArgument(
        "{} is a conflict copy: both were kept. '--keep copy' gives it the name {}, '--keep name' "
        "keeps what stands there",
        name, copy->original.ForPeople());
  }
  FS_ASSIGN_OR_RETURN(const control::v1::Status status, QueryStatus(synced.directory));
  const absl::StatusOr<ConflictList> found = FetchConflicts(status.server(), status.folder(), name);
  if (!found.ok()) {
    return Annotate(found.status(), fmt::format("no conflict is held here at {}", name));
  }
  for (const ListedConflict& conflict : found->conflicts) {
    const bool other = conflict.agent_id != status.agent_id();
    if (!conflict.held || conflict.path != name || !other) continue;
    return FailedPrecondition("{} is held by agent {}{}, not here: settle it there", name,
                              conflict.agent_name, conflict.connected ? "" : " (offline)");
  }
  return NotFound("no conflict is held at {}; 'syncagent conflicts' lists what is", name);
}

// Follows a decision that the agent carries out until it is through.
absl::Status Follow(const SyncedPath& synced, control::v1::ResolveAnswer answer,
                    const RelPath& path) {
  RealClock clock;
  while (true) {
    switch (answer.state()) {
      case control::v1::RESOLVE_STATE_NOT_HELD:
      case control::v1::RESOLVE_STATE_SETTLED:
        return absl::OkStatus();
      case control::v1::RESOLVE_STATE_UNDER_WAY:
        break;
      case control::v1::RESOLVE_STATE_OFFLINE:
        return Unavailable("{}: {}", path.ForPeople(), answer.reason());
      case control::v1::RESOLVE_STATE_HELD:
        return Aborted("{} is held again; decide again", path.ForPeople());
      default:
        return Aborted("{}: {}", path.ForPeople(), answer.reason());
    }
    clock.Sleep(kResolvePoll);
    FS_ASSIGN_OR_RETURN(const auto next, RequestResolve(synced, control::v1::KEEP_UNSPECIFIED));
    if (!next.has_value())
      return Aborted("the agent ended before {} was settled", path.ForPeople());
    answer = *next;
  }
}

absl::Status Resolve(const SyncedPath& synced, const RelPath& path, Keep keep) {
  if (IsOfCopies(keep) && !ParseConflictCopyPath(path).has_value()) {
    return InvalidArgument(
        "{} is no conflict copy; '--keep local', 'remote' or 'both' settle what is held",
        path.ForPeople());
  }
  FS_ASSIGN_OR_RETURN(const auto answer, RequestResolve(synced, keep));
  if (!answer.has_value()) {
    const absl::Status alone = ResolveAlone(synced, keep);
    return absl::IsNotFound(alone) && !IsOfCopies(keep) ? WhoHolds(synced, path) : alone;
  }
  if (answer->state() == control::v1::RESOLVE_STATE_NOT_HELD) return WhoHolds(synced, path);
  return Follow(synced, *answer, path);
}

}  // namespace

int RunResolve(const Invocation& asked) {
  const std::string how = asked.Text("keep");
  const std::optional<Keep> keep = ParseKeep(how);
  if (!keep.has_value()) {
    return Refuse(
        InvalidArgument("--keep {}: expected local, remote or both; of a conflict copy: "
                        "name or copy",
                        EscapeForPeople(how)));
  }
  const absl::StatusOr<SyncedPath> synced = FindSyncedPath(asked.argument);
  if (!synced.ok()) return Complain(synced.status(), kExitUnreachable);
  const absl::StatusOr<RelPath> path = RelPath::Parse(synced->path);
  if (!path.ok()) return Complain(path.status(), kExitUnreachable);
  const absl::Status settled = Resolve(*synced, *path, *keep);
  if (!settled.ok()) return Complain(settled, kExitUnreachable);
  Output("{}: settled: {} kept\n", path->ForPeople(), how == "both" ? "both are" : how + " is");
  return kExitInSync;
}

}  // namespace filesync
