#include "agent/cli/ask_conflicts.h"
#include "agent/cli/output.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <map>

#include "agent/cli/conflict_text.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr size_t kMostAsked = 100'000;
constexpr char kEndOfInput = '\x04';

// Keys arrive one by one and are not shown, as long as this lives.
class SingleKeys {
 public:
  SingleKeys() {
    changed_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!changed_) return;
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
  }
  ~SingleKeys() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  SingleKeys(const SingleKeys&) = delete;
  SingleKeys& operator=(const SingleKeys&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

ListedSide ToListed(const ConflictSide& side, const std::string& by) {
  ListedSide listed;
  listed.type = std::string(EntryTypeName(side.type));
  listed.size = side.size;
  if (side.type == EntryType::kFile || side.type == EntryType::kSymlink) {
    listed.modified = absl::FromUnixNanos(side.mtime_ns);
  }
  listed.by = by;
  return listed;
}

// Who made what the folder has, by path; empty when the server does not say.
std::map<std::string, std::string> RemoteNames(const std::string& server,
                                               const SyncStatus& status) {
  std::map<std::string, std::string> names;
  const absl::StatusOr<ConflictList> listed = FetchConflicts(server, status.folder, "");
  if (!listed.ok()) return names;
  for (const ListedConflict& conflict : listed->conflicts) {
    const bool ours = conflict.held && conflict.agent_id == status.agent_id;
    if (ours && conflict.remote.has_value()) names[conflict.path] = conflict.remote->by;
  }
  return names;
}

}  // namespace

bool ConflictAsker::CanAsk() { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

bool ConflictAsker::Ask(SyncManager& manager, const std::string& directory) {
  if (quit_) return false;
  std::vector<HeldConflict> held;
  const absl::Status listed =
      manager.WithLocation(directory, [&held](LocationSync& sync) -> absl::Status {
        FS_ASSIGN_OR_RETURN(held, sync.ListHeldConflicts(kMostAsked));
        return absl::OkStatus();
      });
  const absl::StatusOr<SyncStatus> status = manager.status(directory);
  if (!listed.ok() || !status.ok()) return false;
  std::vector<const HeldConflict*> open;
  for (const HeldConflict& conflict : held) {
    if (!asked_.contains({directory, conflict.path})) open.push_back(&conflict);
  }
  if (open.empty()) return false;
  const std::map<std::string, std::string> names = RemoteNames(status->server, *status);
  bool decided = false;
  Output("\n");
  for (size_t i = 0; i < open.size() && !quit_; ++i) {
    const HeldConflict& conflict = *open[i];
    Output("conflict {} of {}: {}\n", i + 1, open.size(), conflict.path.ForPeople());
    const auto name = names.find(conflict.path.ForPeople());
    ConflictPolicy keep = ConflictPolicy::kManual;
    switch (AskOne(conflict, name != names.end() ? name->second : "")) {
      case Answer::kLocal:
        keep = ConflictPolicy::kKeepLocal;
        break;
      case Answer::kRemote:
        keep = ConflictPolicy::kKeepRemote;
        break;
      case Answer::kBoth:
        keep = ConflictPolicy::kKeepBoth;
        break;
      case Answer::kSkip:
        break;
      case Answer::kQuit:
        quit_ = true;
        break;
    }
    if (quit_) break;
    asked_.insert({directory, conflict.path});
    if (keep == ConflictPolicy::kManual) continue;
    const absl::Status taken =
        manager.WithLocation(directory, [&conflict, keep](LocationSync& sync) {
          return sync.ResolveConflict(conflict.path, keep);
        });
    if (taken.ok()) {
      decided = true;
    } else {
      Output("{}\n", ToStd(taken.message()));
    }
  }
  fflush(stdout);
  return decided;
}

ConflictAsker::Answer ConflictAsker::AskOne(const HeldConflict& held,
                                            const std::string& remote_by) {
  Output("  local   {}\n", ForPeople(ToListed(held.local, "")));
  Output("  remote  {}\n", ForPeople(ToListed(held.remote, remote_by)));
  while (true) {
    Output("keep l(ocal), r(emote) or b(oth); s(kip), q(uit)? ");
    fflush(stdout);
    const char key = ReadKey();
    const bool shows = key >= ' ' && key <= '~';
    Output("{}\n", shows ? std::string(1, key) : "");
    switch (key) {
      case 'l':
        return Answer::kLocal;
      case 'r':
        return Answer::kRemote;
      case 'b':
        return Answer::kBoth;
      case 's':
        return Answer::kSkip;
      case 'q':
      case kEndOfInput:
        return Answer::kQuit;
      default:
        break;
    }
  }
}

// The next key; kEndOfInput when there is none any more, or the run is to stop.
char ConflictAsker::ReadKey() {
  const SingleKeys single;
  while (true) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return kEndOfInput;
    }
    if ((fds[1].revents & POLLIN) != 0) return kEndOfInput;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) != 1) return kEndOfInput;
    return key;
  }
}

}  // namespace filesync
