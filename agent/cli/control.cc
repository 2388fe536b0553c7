#include "agent/cli/control.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "agent/cli/answer_resolve.h"
#include "agent/engine/state/state.h"
#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"

namespace filesync {
namespace {

constexpr char kSocket[] = "control.sock";
constexpr uint32_t kLargestMessage = 4 << 20;
constexpr int kTimeoutSeconds = 5;

// By a handle of the state directory, as a socket's path has room for 107 bytes only.
absl::StatusOr<sockaddr_un> SocketAddress(int state_directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", state_directory, kSocket);
  if (path.size() >= sizeof(address.sun_path)) return Internal("socket path too long");
  path.copy(address.sun_path, path.size());
  return address;
}

void SetTimeouts(int fd) {
  timeval timeout{kTimeoutSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

absl::Status SendMessage(int fd, const std::string& message) {
  std::string bytes;
  AppendBigEndian32(bytes, static_cast<uint32_t>(message.size()));
  bytes += message;
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "control socket");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status ReceiveExactly(int fd, char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = recv(fd, buffer + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "control socket");
    if (n == 0) return Unavailable("the other side hung up");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReceiveMessage(int fd) {
  char prefix[4];
  FS_RETURN_IF_ERROR(ReceiveExactly(fd, prefix, sizeof(prefix)));
  const uint32_t size = ReadBigEndian32(prefix);
  if (size > kLargestMessage) return InvalidArgument("a control message of {} bytes", size);
  std::string message(size, '\0');
  FS_RETURN_IF_ERROR(ReceiveExactly(fd, message.data(), size));
  return message;
}

bool PeerMayAsk(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

class SocketServer final : public ControlServer {
 public:
  SocketServer(UniqueFd state_directory, UniqueFd listener, UniqueFd wake, LocationSync* sync)
      : state_directory_(std::move(state_directory)),
        listener_(std::move(listener)),
        wake_(std::move(wake)),
        sync_(sync),
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
      const UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (peer.ok()) Answer(peer.get());
    }
  }

  void Answer(int fd) {
    SetTimeouts(fd);
    if (!PeerMayAsk(fd)) return;
    const absl::StatusOr<std::string> message = ReceiveMessage(fd);
    if (!message.ok()) return;
    control::v1::ControlRequest request;
    control::v1::ControlResponse response;
    if (request.ParseFromString(*message)) {
      Handle(request, response);
    } else {
      response.set_error("the request does not parse");
    }
    (void)SendMessage(fd, response.SerializeAsString());
  }

  void Handle(const control::v1::ControlRequest& request, control::v1::ControlResponse& response) {
    switch (request.request_case()) {
      case control::v1::ControlRequest::kPause:
        sync_->SetPaused(request.pause().paused());
        break;
      case control::v1::ControlRequest::kHeld:
        if (sync_->status().held_deletions == 0) {
          response.set_error("nothing is held");
          return;
        }
        if (request.held().confirm()) {
          sync_->ConfirmHeld();
        } else {
          sync_->UndoHeld();
        }
        break;
      case control::v1::ControlRequest::kIgnoreTest:
        Explain(request.ignore_test(), response);
        return;
      case control::v1::ControlRequest::kResolve:
        AnswerResolve(*sync_, request.resolve(), response.mutable_resolve());
        return;
      case control::v1::ControlRequest::kStatus:
        break;
      case control::v1::ControlRequest::REQUEST_NOT_SET:
        response.set_error("this agent does not know that request");
        return;
    }
    ToProto(sync_->status(), /*running=*/true, response.mutable_status());
  }

  void Explain(const control::v1::IgnoreTestRequest& request,
               control::v1::ControlResponse& response) {
    const absl::StatusOr<RelPath> path = RelPath::Parse(request.path());
    if (!path.ok()) {
      response.set_error(std::string(ToStd(path.status().message())));
      return;
    }
    const Filters::Explanation why = sync_->ExplainIgnore(*path, request.directory());
    control::v1::IgnoreVerdict* verdict = response.mutable_verdict();
    verdict->set_ignored(why.judgement.ignored);
    verdict->set_deletable(why.judgement.deletable);
    verdict->set_source(why.source);
    verdict->set_line(why.line);
    verdict->set_rule(why.rule);
  }

  const UniqueFd state_directory_;
  const UniqueFd listener_;
  const UniqueFd wake_;
  LocationSync* const sync_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

absl::StatusOr<UniqueFd> OpenStateDirectory(const std::string& directory) {
  absl::StatusOr<UniqueFd> state =
      OpenDirectory(fmt::format("{}/{}", directory, kStateDirectoryName));
  if (absl::IsNotFound(state.status())) {
    return NotFound("{} is not a synced directory (it has no {})", directory, kStateDirectoryName);
  }
  return state;
}

absl::StatusOr<control::v1::ControlResponse> AskRunningAgent(
    int state_directory, const control::v1::ControlRequest& request) {
  FS_ASSIGN_OR_RETURN(const sockaddr_un address, SocketAddress(state_directory));
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.ok()) return ErrnoStatus(errno, "socket");
  SetTimeouts(fd.get());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, "control socket");
  }
  FS_RETURN_IF_ERROR(SendMessage(fd.get(), request.SerializeAsString()));
  FS_ASSIGN_OR_RETURN(const std::string answer, ReceiveMessage(fd.get()));
  control::v1::ControlResponse response;
  if (!response.ParseFromString(answer)) return DataLoss("the agent's answer does not parse");
  if (!response.error().empty()) return FailedPrecondition("{}", response.error());
  return response;
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

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> StartControlServer(const std::string& directory,
                                                                  LocationSync* sync, Logger* log) {
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
  return std::unique_ptr<ControlServer>(
      std::make_unique<SocketServer>(std::move(state), std::move(listener), std::move(wake), sync));
}

absl::StatusOr<control::v1::Status> QueryStatus(const std::string& directory) {
  absl::StatusOr<std::string> canonical = CanonicalPath(directory);
  if (!canonical.ok()) return canonical.status();
  FS_ASSIGN_OR_RETURN(const UniqueFd state, OpenStateDirectory(*canonical));
  control::v1::ControlRequest request;
  request.mutable_status();
  absl::StatusOr<control::v1::ControlResponse> running = AskRunningAgent(state.get(), request);
  if (running.ok()) return std::move(*running->mutable_status());
  if (!NobodyListens(running.status())) return running.status();
  return ReadState(*canonical, state.get());
}

absl::Status RequestPause(const std::string& directory, bool paused) {
  control::v1::ControlRequest request;
  request.mutable_pause()->set_paused(paused);
  return TellAgent(directory, request);
}

absl::Status RequestHeld(const std::string& directory, bool confirm) {
  control::v1::ControlRequest request;
  request.mutable_held()->set_confirm(confirm);
  return TellAgent(directory, request);
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

void ToProto(const SyncStatus& status, bool running, control::v1::Status* proto) {
  proto->set_directory(EscapeForPeople(status.directory));
  proto->set_folder(EscapeForPeople(status.folder));
  proto->set_server(EscapeForPeople(status.server));
  proto->set_state(EscapeForPeople(status.state_text));
  proto->set_running(running);
  proto->set_entries(status.entries);
  proto->set_bytes(status.bytes);
  proto->set_pending_local(status.pending_local);
  proto->set_pending_remote(status.pending_remote);
  for (const std::string& path : status.pending_paths) proto->add_pending_paths(path);
  for (const FailedPathInfo& failed : status.failed_paths) {
    control::v1::FailedPath* out = proto->add_failed_paths();
    out->set_path(failed.path);
    out->set_reason(EscapeForPeople(failed.reason));
  }
  proto->set_failed_count(status.failed_count);
  proto->set_last_error(EscapeForPeople(status.last_error));
  if (status.last_error_at != absl::InfinitePast()) {
    const int64_t nanoseconds = absl::ToUnixNanos(status.last_error_at);
    proto->mutable_last_error_at()->set_seconds(nanoseconds / 1'000'000'000);
    proto->mutable_last_error_at()->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
  }
  proto->set_held_deletions(status.held_deletions);
  proto->set_mode(std::string(ModeName(status.mode)));
  proto->set_applied_version(status.applied_version);
  proto->set_head_version(status.head_version);
  proto->set_conflicts(status.conflicts);
  proto->set_agent_id(status.agent_id);
  proto->set_agent_name(EscapeForPeople(status.agent_name));
  proto->set_bytes_sent(status.bytes_sent);
  proto->set_bytes_received(status.bytes_received);
  proto->set_bytes_saved(status.bytes_saved);
}

}  // namespace filesync
