#include "agent/cli/versions_command.h"
#include "agent/cli/output.h"

#include "agent/cli/control.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/progress_text.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"
#include "libs/wire/version_list.h"

namespace filesync {
namespace {

constexpr size_t kHashShown = 12;

void Print(const ListedVersion& version, bool current) {
  std::string what = version.type == "tombstone" ? "deleted" : version.type;
  if (version.type == "file") {
    what = fmt::format("{:>10}  {}", ForPeople(version.size),
                       version.content_hash.substr(0, kHashShown));
  }
  if (!version.moved_to.empty()) what = "moved to " + WithoutControls(version.moved_to);
  Output("{:>10}  {}  {:<24}  by {}{}\n", version.version,
         absl::FormatTime("%Y-%m-%d %H:%M:%S", version.committed_at, absl::LocalTimeZone()),
         WithoutControls(what), WithoutControls(version.author), current ? "  (now)" : "");
}

}  // namespace

int RunVersions(const Invocation& asked) {
  const absl::StatusOr<SyncedPath> found = FindSyncedPath(asked.argument);
  if (!found.ok()) return Complain(found.status());
  const absl::StatusOr<RelPath> path = RelPath::Parse(found->path);
  if (!path.ok()) return Complain(path.status());
  const absl::StatusOr<control::v1::Status> status = QueryStatus(found->directory);
  if (!status.ok()) return Complain(status.status());
  const absl::StatusOr<VersionList> list =
      FetchVersions(status->server(), status->folder(), path->ForPeople());
  if (absl::IsUnavailable(list.status())) {
    (void)Complain(list.status());
    return kExitUnreachable;
  }
  if (!list.ok()) return Complain(list.status());
  if (asked.Has("json")) {
    Output("{}", list->json);
    return kExitInSync;
  }
  for (const ListedVersion& version : list->versions) {
    Print(version, &version == &list->versions.front() && version.type != "tombstone");
  }
  return kExitInSync;
}

}  // namespace filesync
