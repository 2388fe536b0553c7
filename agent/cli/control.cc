#include "agent/cli/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "absl/time/clock.h"
#include "agent/cli/action_list.h"
#include "agent/cli/answer_resolve.h"
#include "agent/cli/control_proto.h"
#include "agent/cli/control_stream.h"
#include "agent/cli/control_wire.h"
#include "agent/engine/held_paths.h"
#include "agent/engine/location_sync.h"
#include "agent/engine/state/state.h"
#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_root.h"

namespace filesync {
namespace {

constexpr int kFirstWordMilliseconds = 2000;
constexpr absl::Duration kAcceptAgain = absl::Milliseconds(100);
constexpr char kSocket[] = "control.sock";
constexpr size_t kMostListed = 20'000;
constexpr size_t kMessageOverhead = 8;
constexpr absl::Duration kFirstStart = absl::Seconds(1);

// By a handle of the state directory, as a socket's path has room for 107 bytes only.
absl::StatusOr<sockaddr_un> SocketAddress(int state_directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", state_directory, kSocket);
  if (path.size() >= sizeof(address.sun_path)) return Internal("socket path too long");
  path.copy(address.sun_path, path.size());
  return address;
}

bool PeerMayAsk(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

class SocketServer final : public ControlServer {
 public:
  SocketServer(UniqueFd state_directory, UniqueFd listener, UniqueFd wake, std::string directory,
               SyncManager* manager, EventFeed* feed)
      : state_directory_(std::move(state_directory)),
        listener_(std::move(listener)),
        wake_(std::move(wake)),
        directory_(std::move(directory)),
        manager_(manager),
        streams_(feed),
        thread_([this] { Serve(); }) {}

  ~SocketServer() override {
    stopping_ = true;
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
    thread_.join();
    unlinkat(state_directory_.get(), kSocket, 0);
  }

 private:
  void Serve() {
    while (!stopping_) {
      pollfd fds[2] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
      if ((fds[0].revents & POLLIN) == 0) continue;
      UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer.ok()) {
        // Too many files are open: some will be closed.
        if (errno != EINTR) absl::SleepFor(kAcceptAgain);
        continue;
      }
      if (Speaks(peer.get())) Answer(std::move(peer));
    }
  }

  // Somebody who says nothing holds up nobody for long, and the end not at all.
  bool Speaks(int peer) const {
    pollfd fds[2] = {{peer, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    return poll(fds, 2, kFirstWordMilliseconds) > 0 && fds[1].revents == 0;
  }

  void Answer(UniqueFd peer) {
    SetControlTimeouts(peer.get());
    if (!PeerMayAsk(peer.get())) return;
    const absl::StatusOr<std::string> message = ReceiveControlMessage(peer.get());
    if (!message.ok()) return;
    control::v1::ControlRequest request;
    control::v1::ControlResponse response;
    if (!request.ParseFromString(*message)) {
      response.set_error("the request does not parse");
    } else if (request.has_events()) {
      const absl::Status taken = streams_.Serve(peer, request.events(), NowStatus());
      if (taken.ok()) return;
      response.set_error(std::string(ToStd(taken.message())));
    } else {
      Handle(request, response);
    }
    (void)SendControlMessage(peer.get(), response.SerializeAsString());
  }

  SyncStatus NowStatus() const { return manager_->status(directory_).value_or(SyncStatus()); }

  void Handle(const control::v1::ControlRequest& request, control::v1::ControlResponse& response) {
    absl::Status done;
    switch (request.request_case()) {
      case control::v1::ControlRequest::kPause:
        done = manager_->SetPaused(directory_, request.pause().paused());
        break;
      case control::v1::ControlRequest::kHeld:
        done = request.held().confirm() ? manager_->ConfirmHeld(directory_)
                                        : manager_->UndoHeld(directory_);
        break;
      case control::v1::ControlRequest::kIgnoreTest:
        Explain(request.ignore_test(), response);
        return;
      case control::v1::ControlRequest::kList:
        List(response);
        return;
      case control::v1::ControlRequest::kResolve:
        Resolve(request.resolve(), response);
        return;
      case control::v1::ControlRequest::kEvents:
      case control::v1::ControlRequest::kStatus:
        break;
      case control::v1::ControlRequest::REQUEST_NOT_SET:
        response.set_error("this agent does not know that request");
        return;
    }
    if (!done.ok()) {
      response.set_error(std::string(ToStd(done.message())));
      return;
    }
    ToProto(NowStatus(), /*running=*/true, response.mutable_status());
  }

  void List(control::v1::ControlResponse& response) {
    PendingList list;
    const absl::Status asked = manager_->WithLocation(directory_, [&list](LocationSync& sync) {
      FS_ASSIGN_OR_RETURN(list, sync.Pending(kMostListed));
      return absl::OkStatus();
    });
    if (!asked.ok()) {
      response.set_error(std::string(ToStd(asked.message())));
      return;
    }
    control::v1::PendingReport* report = response.mutable_pending();
    report->set_running(true);
    report->set_state(EscapeForPeople(NowStatus().state_text));
    report->set_total(list.total);
    size_t bytes = 0;
    for (const PendingPath& path : list.paths) {
      control::v1::PlannedAction action = ToProto(path);
      bytes += action.ByteSizeLong() + kMessageOverhead;
      if (bytes > kLargestControlMessage / 2) break;
      *report->add_pending() = std::move(action);
    }
  }

  void Resolve(const control::v1::ResolveRequest& request, control::v1::ControlResponse& response) {
    const absl::Status asked = manager_->WithLocation(directory_, [&](LocationSync& sync) {
      AnswerResolve(sync, request, response.mutable_resolve());
      return absl::OkStatus();
    });
    if (!asked.ok()) response.set_error(std::string(ToStd(asked.message())));
  }

  void Explain(const control::v1::IgnoreTestRequest& request,
               control::v1::ControlResponse& response) {
    const absl::StatusOr<RelPath> path = RelPath::Parse(request.path());
    if (!path.ok()) {
      response.set_error(std::string(ToStd(path.status().message())));
      return;
    }
    const absl::StatusOr<Filters::Explanation> why =
        manager_->ExplainIgnore(directory_, *path, request.directory());
    if (!why.ok()) {
      response.set_error(std::string(ToStd(why.status().message())));
      return;
    }
    control::v1::IgnoreVerdict* verdict = response.mutable_verdict();
    verdict->set_ignored(why->judgement.ignored);
    verdict->set_deletable(why->judgement.deletable);
    verdict->set_source(why->source);
    verdict->set_line(why->line);
    verdict->set_rule(why->rule);
  }

  const UniqueFd state_directory_;
  const UniqueFd listener_;
  const UniqueFd wake_;
  const std::string directory_;
  SyncManager* const manager_;
  ControlStreams streams_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

absl::StatusOr<UniqueFd> OpenStateDirectory(const std::string& directory) {
  FS_ASSIGN_OR_RETURN(const UniqueFd root, OpenDirectory(directory));
  absl::StatusOr<UniqueFd> state =
      OpenBeneath(root.get(), kStateDirectoryName, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(state.status())) {
    return NotFound("{} is not a synced directory (it has no {})", directory, kStateDirectoryName);
  }
  return state;
}

// A connection to the running agent, with the request sent.
absl::StatusOr<UniqueFd> Send(int state_directory, const control::v1::ControlRequest& request) {
  FS_ASSIGN_OR_RETURN(const sockaddr_un address, SocketAddress(state_directory));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.ok()) return ErrnoStatus(errno, "socket");
  SetControlTimeouts(fd.get());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, "control socket");
  }
  FS_RETURN_IF_ERROR(SendControlMessage(fd.get(), request.SerializeAsString()));
  return fd;
}

absl::StatusOr<control::v1::ControlResponse> ReceiveAnswer(int fd) {
  FS_ASSIGN_OR_RETURN(const std::string answer, ReceiveControlMessage(fd));
  control::v1::ControlResponse response;
  if (!response.ParseFromString(answer)) return DataLoss("the agent's answer does not parse");
  if (!response.error().empty()) return FailedPrecondition("{}", response.error());
  return response;
}

absl::StatusOr<control::v1::ControlResponse> AskRunningAgent(
    int state_directory, const control::v1::ControlRequest& request) {
  FS_ASSIGN_OR_RETURN(const UniqueFd fd, Send(state_directory, request));
  return ReceiveAnswer(fd.get());
}

bool NobodyListens(const absl::Status& status) {
  return ErrnoOf(status) == ENOENT || ErrnoOf(status) == ECONNREFUSED;
}

absl::StatusOr<control::v1::Status> ReadState(const std::string& directory, int state_directory) {
  FS_ASSIGN_OR_RETURN(
      const std::unique_ptr<State> state,
      State::OpenReadOnly(fmt::format("/proc/self/fd/{}/state.db", state_directory)));
  SyncStatus status;
  status.directory = directory;
  status.state = SyncState::kOffline;
  status.state_text = "not running";
  auto text = [&](const char* key) -> std::string {
    const auto value = state->GetMeta(key);
    return value.ok() && value->has_value() ? **value : "";
  };
  status.folder = text("folder");
  status.server = text("server");
  status.agent_name = text("agent_name");
  status.agent_id = HexEncode(text("agent_id"));
  FS_ASSIGN_OR_RETURN(const BaseCounts counts, state->CountBase());
  status.entries = counts.entries;
  status.bytes = counts.bytes;
  FS_ASSIGN_OR_RETURN(status.pending_remote, state->CountRemote());
  // A state of an older schema holds nothing.
  for (const HeldRow& row : state->AllHeld().value_or(std::vector<HeldRow>())) {
    if (row.verdict != HeldRow::Verdict::kNone) continue;
    const bool incoming = row.direction == HeldRow::Direction::kIncoming;
    const bool deleted = row.loss == HeldRow::Loss::kDeleted;
    ++(incoming ? (deleted ? status.held_incoming_deletions : status.held_incoming_replacements)
                : (deleted ? status.held_deletions : status.held_replacements));
  }
  FS_ASSIGN_OR_RETURN(const Cursor cursor, state->GetCursor());
  status.applied_version = cursor.version;
  control::v1::Status proto;
  ToProto(status, /*running=*/false, &proto);
  return proto;
}

absl::Status TellAgent(const std::string& directory, const control::v1::ControlRequest& request) {
  FS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(directory));
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(canonical));
  absl::Status told = AskRunningAgent(state.get(), request).status();
  if (NobodyListens(told)) return Unavailable("no agent runs for {}", canonical);
  return told;
}

// No agent runs: the decision is written down, and the next one carries it out.
absl::Status NoteHeld(const std::string& directory, int state_directory, bool confirm) {
  FS_RETURN_IF_ERROR(CheckStateDirectory(state_directory, directory, /*shared=*/false));
  FS_ASSIGN_OR_RETURN(const std::unique_ptr<State> state,
                      State::Open(fmt::format("/proc/self/fd/{}/state.db", state_directory)));
  HeldPaths held;
  FS_RETURN_IF_ERROR(held.Load(state.get()));
  FS_ASSIGN_OR_RETURN(const std::vector<RelPath> paths,
                      confirm ? held.ConfirmAll() : held.UndoAll());
  if (paths.empty()) return FailedPrecondition("nothing is held");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> StartControlServer(const std::string& directory,
                                                                  SyncManager* manager,
                                                                  EventFeed* feed, Logger* log) {
  FS_ASSIGN_OR_RETURN(UniqueFd state, OpenStateDirectory(directory));
  // The lock on the directory says that no other agent runs: this is a dead one's.
  unlinkat(state.get(), kSocket, 0);
  FS_ASSIGN_OR_RETURN(const sockaddr_un address, SocketAddress(state.get()));
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC));
  if (!listener.ok() || !wake.ok()) return ErrnoStatus(errno, "socket");
  const mode_t before = umask(0177);
  const int bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(before);
  if (bound != 0) return ErrnoStatus(error, "cannot make the control socket");
  if (listen(listener.get(), 8) != 0) return ErrnoStatus(errno, "control socket");
  log->Debug("{}: control socket is open", directory);
  return std::unique_ptr<ControlServer>(std::make_unique<SocketServer>(
      std::move(state), std::move(listener), std::move(wake), directory, manager, feed));
}

absl::StatusOr<control::v1::Status> QueryStatus(const std::string& directory) {
  absl::StatusOr<std::string> canonical = CanonicalPath(directory);
  if (!canonical.ok()) return canonical.status();
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(*canonical));
  control::v1::ControlRequest request;
  request.mutable_status();
  const absl::Time give_up = absl::Now() + kFirstStart;
  while (true) {
    absl::StatusOr<control::v1::ControlResponse> running = AskRunningAgent(state.get(), request);
    if (running.ok()) return std::move(*running->mutable_status());
    if (!NobodyListens(running.status())) return running.status();
    absl::StatusOr<control::v1::Status> read = ReadState(*canonical, state.get());
    // An agent that is being started for the first time has made the file and not its tables.
    if (read.ok() || absl::Now() >= give_up) return read;
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::StatusOr<control::v1::PendingReport> RequestList(const std::string& directory) {
  FS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(directory));
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(canonical));
  control::v1::ControlRequest request;
  request.mutable_list();
  absl::StatusOr<control::v1::ControlResponse> answer = AskRunningAgent(state.get(), request);
  if (answer.ok()) return std::move(*answer->mutable_pending());
  if (NobodyListens(answer.status())) return Unavailable("no agent runs for {}", canonical);
  return answer.status();
}

absl::Status FollowEvents(const std::string& directory, bool status,
                          const std::function<absl::Status(const control::v1::Event&)>& take) {
  FS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(directory));
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(canonical));
  control::v1::ControlRequest request;
  request.mutable_events()->set_status(status);
  const absl::StatusOr<UniqueFd> fd = Send(state.get(), request);
  if (NobodyListens(fd.status())) return Unavailable("no agent runs for {}", canonical);
  FS_RETURN_IF_ERROR(fd.status());
  // Nothing happens for as long as nothing happens.
  ClearControlTimeouts(fd->get());
  while (true) {
    const absl::StatusOr<control::v1::ControlResponse> response = ReceiveAnswer(fd->get());
    if (absl::IsUnavailable(response.status())) return absl::OkStatus();
    FS_RETURN_IF_ERROR(response.status());
    FS_RETURN_IF_ERROR(take(response->event()));
  }
}

absl::Status RequestPause(const std::string& directory, bool paused) {
  control::v1::ControlRequest request;
  request.mutable_pause()->set_paused(paused);
  return TellAgent(directory, request);
}

absl::Status RequestHeld(const std::string& directory, bool confirm) {
  control::v1::ControlRequest request;
  request.mutable_held()->set_confirm(confirm);
  FS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(directory));
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(canonical));
  absl::Status told = AskRunningAgent(state.get(), request).status();
  return NobodyListens(told) ? NoteHeld(canonical, state.get(), confirm) : told;
}

absl::StatusOr<SyncedPath> FindSyncedPath(const std::string& path) {
  std::string rest = path;
  while (rest.size() > 1 && rest.back() == '/') rest.pop_back();
  if (rest.empty()) return InvalidArgument("expected a path");
  // Up to the nearest directory that exists, then on to the one that is synced.
  std::string below;
  auto up = [&]() {
    const size_t slash = rest.rfind('/');
    const std::string name = slash == std::string::npos ? rest : rest.substr(slash + 1);
    below = below.empty() ? name : name + "/" + below;
    rest = slash == std::string::npos ? "." : slash == 0 ? "/" : rest.substr(0, slash);
  };
  up();
  absl::StatusOr<std::string> root = CanonicalPath(rest);
  while (!root.ok() && rest != "." && rest != "/") {
    up();
    root = CanonicalPath(rest);
  }
  FS_RETURN_IF_ERROR(root.status());
  rest = *root;
  while (true) {
    if (OpenStateDirectory(rest).ok()) return SyncedPath{rest, below};
    if (rest == "/") return NotFound("{} is in no synced directory", path);
    up();
  }
}

absl::StatusOr<control::v1::IgnoreVerdict> RequestIgnoreTest(const std::string& path) {
  FS_ASSIGN_OR_RETURN(const SyncedPath found, FindSyncedPath(path));
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(found.directory));
  control::v1::ControlRequest request;
  request.mutable_ignore_test()->set_path(found.path);
  request.mutable_ignore_test()->set_directory(path.size() > 1 && path.back() == '/');
  absl::StatusOr<control::v1::ControlResponse> answer = AskRunningAgent(state.get(), request);
  if (answer.ok()) return std::move(*answer->mutable_verdict());
  if (NobodyListens(answer.status())) return Unavailable("no agent runs for {}", found.directory);
  return answer.status();
}

absl::StatusOr<std::optional<control::v1::ResolveAnswer>> RequestResolve(const SyncedPath& path,
                                                                         control::v1::Keep keep) {
  using Answer = std::optional<control::v1::ResolveAnswer>;
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(path.directory));
  control::v1::ControlRequest request;
  request.mutable_resolve()->set_path(path.path);
  request.mutable_resolve()->set_keep(keep);
  absl::StatusOr<control::v1::ControlResponse> answer = AskRunningAgent(state.get(), request);
  if (answer.ok()) return Answer(std::move(*answer->mutable_resolve()));
  if (NobodyListens(answer.status())) return Answer();
  return answer.status();
}

}  // namespace filesync
