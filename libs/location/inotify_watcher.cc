#include "libs/location/inotify_watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/directory_reader.h"

namespace filesync {
namespace {

constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE |
                           IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                           IN_ONLYDIR | IN_EXCL_UNLINK | IN_DONT_FOLLOW;
constexpr size_t kBuffer = 64 << 10;
constexpr int64_t kLongestWaitMs = 3'600'000;

class InotifyWatcher final : public Watcher {
 public:
  InotifyWatcher(UniqueFd inotify, UniqueFd wake, int root)
      : inotify_(std::move(inotify)), wake_(std::move(wake)), root_(root) {}

  absl::StatusOr<bool> Watch(const RelPath& directory) override {
    absl::StatusOr<UniqueFd> fd = OpenBeneath(root_, directory.bytes(), O_PATH | O_DIRECTORY);
    if (!fd.ok()) return fd.status();
    if (!directory.IsRoot() && IsSyncedItself(fd->get())) {
      return FailedPrecondition("it is a synced directory itself; sync one of them only");
    }
    const std::string path = fmt::format("/proc/self/fd/{}", fd->get());
    absl::MutexLock lock(&mutex_);
    // IN_DONT_FOLLOW would refuse the /proc link itself, which leads to the very directory.
    const int wd = inotify_add_watch(inotify_.get(), path.c_str(), kMask & ~IN_DONT_FOLLOW);
    if (wd < 0) {
      const int error = errno;
      if (error == ENOSPC) {
        limited_ = true;
        return ResourceExhausted(
            "the system's limit of inotify watches is reached (fs.inotify.max_user_watches)");
      }
      return ErrnoStatus(error, "inotify_add_watch");
    }
    const auto known = paths_.find(wd);
    if (known != paths_.end() && known->second == directory) return false;
    Forget(wd);
    paths_[wd] = directory;
    watches_[directory] = wd;
    return true;
  }

  std::vector<WatchEvent> Read(absl::Duration timeout) override {
    pollfd fds[2] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    // Rounded up, so that a short wait is none of spinning.
    const int64_t wait = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
    if (poll(fds, 2, static_cast<int>(std::clamp<int64_t>(wait, 0, kLongestWaitMs))) <= 0) {
      return {};
    }
    if ((fds[1].revents & POLLIN) != 0) {
      uint64_t count = 0;
      (void)!read(wake_.get(), &count, sizeof(count));
    }
    std::vector<WatchEvent> events;
    if ((fds[0].revents & POLLIN) == 0) return events;
    alignas(inotify_event) char buffer[kBuffer];
    const ssize_t size = read(inotify_.get(), buffer, sizeof(buffer));
    absl::MutexLock lock(&mutex_);
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      Translate(*event, events);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
    return events;
  }

  void Interrupt() override {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
  }

  bool Limited() const override { return limited_; }

 private:
  void Forget(int wd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto it = paths_.find(wd);
    if (it == paths_.end()) return;
    const auto watch = watches_.find(it->second);
    if (watch != watches_.end() && watch->second == wd) watches_.erase(watch);
    paths_.erase(it);
  }

  // A directory that moved takes its watches along, under names that are not known: they end,
  // and are set again where it turns up.
  void ForgetTree(const RelPath& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto it = watches_.lower_bound(directory);
    while (it != watches_.end() && it->first.IsAtOrBelow(directory)) {
      inotify_rm_watch(inotify_.get(), it->second);
      paths_.erase(it->second);
      it = watches_.erase(it);
    }
  }

  static void Add(std::vector<WatchEvent>& events, WatchEvent::Kind kind, const RelPath& path) {
    // A burst on one file is one event.
    if (!events.empty() && events.back().kind == kind && events.back().path == path) return;
    events.push_back({kind, path});
  }

  void Translate(const inotify_event& event, std::vector<WatchEvent>& events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      Add(events, WatchEvent::Kind::kOverflow, RelPath());
      return;
    }
    const auto it = paths_.find(event.wd);
    if (it == paths_.end()) return;
    const RelPath directory = it->second;
    if ((event.mask & IN_IGNORED) != 0) {
      Forget(event.wd);
      return;
    }
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) {
      if (directory.IsRoot()) {
        Add(events, WatchEvent::Kind::kRootGone, directory);
      } else if ((event.mask & IN_UNMOUNT) != 0) {
        Add(events, WatchEvent::Kind::kUncertain, directory.Parent());
      }
      return;
    }
    if (event.len == 0) {
      if (!directory.IsRoot()) Add(events, WatchEvent::Kind::kChanged, directory);
      return;
    }
    const std::string_view name(event.name);
    if (RelPath::IsReservedName(name)) {
      // The state directory going away means that the root is not what it was.
      const bool gone = (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0;
      if (gone && directory.IsRoot()) Add(events, WatchEvent::Kind::kRootGone, directory);
      return;
    }
    const absl::StatusOr<RelPath> path = directory.Child(name);
    if (!path.ok()) return;  // not a name that syncs; scans report it
    TranslateNamed(event.mask, *path, events);
  }

  void TranslateNamed(uint32_t mask, const RelPath& path, std::vector<WatchEvent>& events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if ((mask & IN_ISDIR) != 0) {
      if ((mask & IN_MOVED_FROM) != 0) ForgetTree(path);
      const bool appeared = (mask & (IN_CREATE | IN_MOVED_TO)) != 0;
      Add(events, appeared ? WatchEvent::Kind::kDirectory : WatchEvent::Kind::kChanged, path);
      return;
    }
    // A file that was only created or written to will be closed; a link was finished at once,
    // and the engine's second look finds it.
    const bool unfinished =
        (mask & (IN_MODIFY | IN_CREATE)) != 0 && (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) == 0;
    Add(events, unfinished ? WatchEvent::Kind::kModifying : WatchEvent::Kind::kChanged, path);
  }

  const UniqueFd inotify_;
  const UniqueFd wake_;
  const int root_;
  std::atomic<bool> limited_ = false;
  absl::Mutex mutex_;
  std::map<int, RelPath> paths_ ABSL_GUARDED_BY(mutex_);
  std::map<RelPath, int> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Watcher>> NewInotifyWatcher(int root) {
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify.ok()) {
    return ErrnoStatus(errno, "inotify (see fs.inotify.max_user_instances)");
  }
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.ok()) return ErrnoStatus(errno, "eventfd");
  return std::unique_ptr<Watcher>(
      std::make_unique<InotifyWatcher>(std::move(inotify), std::move(wake), root));
}

}  // namespace filesync
