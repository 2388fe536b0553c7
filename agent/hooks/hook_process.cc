#include "agent/hooks/hook_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "libs/base/status.h"
#include "libs/base/unique_fd.h"

namespace filesync {
namespace {

constexpr int kReadsAtATime = 32;

using SteadyTime = std::chrono::steady_clock::time_point;

// All of the input in memory, so that nobody has to wait for the program to read it.
absl::StatusOr<UniqueFd> InputFile(std::string_view input) {
  UniqueFd fd(memfd_create("hook-input", MFD_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "memfd_create");
  while (!input.empty()) {
    const ssize_t n = write(fd.get(), input.data(), input.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ErrnoStatus(errno, "the hook's input");
    input.remove_prefix(static_cast<size_t>(n));
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return ErrnoStatus(errno, "the hook's input");
  return fd;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In a group of its own, with the signals that this process blocks or ignores as they are by
// default, and with no file of this process but the three.
absl::StatusOr<pid_t> Spawn(const HookRun& run, int input, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) {
    sigaddset(&defaults, number);
  }
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, run.arguments.front().c_str(), &actions, &attributes,
                                 Pointers(run.arguments).data(), Pointers(run.environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, run.arguments.front());
  return pid;
}

int Milliseconds(SteadyTime from, SteadyTime to) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(to - from).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

// Watches one program until it has ended.
class Watch {
 public:
  Watch(const HookRun& run, pid_t pid, UniqueFd process, UniqueFd output)
      : run_(run), pid_(pid), process_(std::move(process)), output_(std::move(output)) {}

  HookResult Run() {
    const SteadyTime began = std::chrono::steady_clock::now();
    // A limit that no clock can hold is none that matters.
    deadline_ =
        began + absl::ToChronoMilliseconds(std::min(run_.time_limit, absl::Hours(24 * 365)));
    while (!Ended()) {
    }
    ReadOutput();
    Reap();
    result_.took = absl::FromChrono(std::chrono::steady_clock::now() - began);
    return std::move(result_);
  }

 private:
  // Waits for something to happen; true when the program has ended.
  bool Ended() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now >= deadline_) TimeIsUp(now);
    pollfd fds[3] = {{process_.get(), POLLIN, 0},
                     {output_.get(), POLLIN, 0},
                     {result_.stopped ? -1 : run_.stop_fd, POLLIN, 0}};
    if (poll(fds, 3, Milliseconds(now, deadline_)) < 0) return false;
    if (fds[1].revents != 0) ReadOutput();
    if (fds[2].revents != 0) {
      result_.stopped = true;
      deadline_ = std::min(deadline_, now + absl::ToChronoMilliseconds(kHookStopGrace));
    }
    return fds[0].revents != 0;
  }

  void TimeIsUp(SteadyTime now) {
    result_.timed_out = result_.timed_out || !result_.stopped;
    // Once to let it clean up, then for good, as often as it takes.
    kill(-pid_, std::exchange(asked_to_end_, true) ? SIGKILL : SIGTERM);
    deadline_ = now + absl::ToChronoMilliseconds(kHookKillGrace);
  }

  void ReadOutput() {
    char buffer[4096];
    // One that writes without end is not to keep us from looking at the clock.
    for (int i = 0; i < kReadsAtATime && output_.ok(); ++i) {
      const ssize_t n = read(output_.get(), buffer, sizeof(buffer));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        output_.Reset();
        return;
      }
      result_.output_bytes += static_cast<uint64_t>(n);
      const size_t room = kMostHookOutput - result_.output.size();
      result_.output.append(buffer, std::min(room, static_cast<size_t>(n)));
    }
  }

  void Reap() {
    // As long as it is not waited for, its group's number is nobody else's.
    if (asked_to_end_) kill(-pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
      result_.signal = WTERMSIG(status);
    } else {
      result_.exit_code = WEXITSTATUS(status);
    }
  }

  const HookRun& run_;
  const pid_t pid_;
  const UniqueFd process_;
  UniqueFd output_;
  SteadyTime deadline_;
  bool asked_to_end_ = false;
  HookResult result_;
};

}  // namespace

absl::StatusOr<HookResult> RunHookProcess(const HookRun& run) {
  FS_ASSIGN_OR_RETURN(const UniqueFd input, InputFile(run.input));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  UniqueFd output(ends[0]);
  UniqueFd output_there(ends[1]);
  if (fcntl(output.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe");
  FS_ASSIGN_OR_RETURN(const pid_t pid, Spawn(run, input.get(), output_there.get()));
  output_there.Reset();
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.ok()) {
    const absl::Status failed = ErrnoStatus(errno, "pidfd_open");
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return failed;
  }
  return Watch(run, pid, std::move(process), std::move(output)).Run();
}

}  // namespace filesync
