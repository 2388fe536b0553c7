#include "libs/base/scratch.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <tuple>

#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"

namespace filesync {
namespace {

constexpr absl::Duration kBetweenAttempts = absl::Milliseconds(25);
constexpr size_t kCopyPiece = 1 << 30;
// Two ticks of the slowest common kernel clock: a write within them may leave the times as they
// were.
constexpr absl::Duration kRacyWindow = absl::Milliseconds(20);

using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, long, time_t, long>;

// Nullopt: it is not there.
absl::StatusOr<std::optional<Stamp>> StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return std::optional<Stamp>();
    return ErrnoStatus(errno, path);
  }
  return std::optional<Stamp>(Stamp(info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                                    info.st_mtim.tv_nsec, info.st_ctim.tv_sec,
                                    info.st_ctim.tv_nsec));
}

absl::StatusOr<std::vector<std::optional<Stamp>>> StampsOf(const std::string& directory,
                                                           const std::vector<std::string>& names) {
  std::vector<std::optional<Stamp>> stamps;
  for (const std::string& name : names) {
    FS_ASSIGN_OR_RETURN(std::optional<Stamp> stamp, StampOf(fmt::format("{}/{}", directory, name)));
    stamps.push_back(std::move(stamp));
  }
  return stamps;
}

bool IsRacy(const Stamp& stamp, absl::Time now) {
  const absl::Time changed =
      absl::FromUnixSeconds(std::get<5>(stamp)) + absl::Nanoseconds(std::get<6>(stamp));
  return absl::AbsDuration(now - changed) < kRacyWindow;
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  const UniqueFd in(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.ok()) return ErrnoStatus(errno, from);
  const UniqueFd out(open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out.ok()) return ErrnoStatus(errno, to);
  while (true) {
    const ssize_t n = sendfile(out.get(), in.get(), nullptr, kCopyPiece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, fmt::format("copying {}", from));
    if (n == 0) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<ScratchDirectory> ScratchDirectory::Make() {
  const char* chosen = std::getenv("TMPDIR");
  const std::array<const char*, 4> places = {chosen, "/tmp", "/dev/shm", "/var/tmp"};
  int error = ENOENT;
  for (const char* place : places) {
    if (place == nullptr || *place == '\0') continue;
    std::string path = fmt::format("{}/filesync-XXXXXX", place);
    if (mkdtemp(path.data()) != nullptr) return ScratchDirectory(std::move(path));
    error = errno;
  }
  return ErrnoStatus(error, "no directory for temporary files can be written to; set TMPDIR");
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  const absl::StatusOr<std::vector<std::string>> names = ListNames(path_);
  if (names.ok()) {
    for (const std::string& name : *names) unlink(fmt::format("{}/{}", path_, name).c_str());
  }
  rmdir(path_.c_str());
}

absl::StatusOr<std::vector<std::string>> CopyWhileStill(const std::string& from,
                                                        const std::vector<std::string>& names,
                                                        const std::string& to,
                                                        absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    FS_ASSIGN_OR_RETURN(const auto before, StampsOf(from, names));
    const absl::Time began = absl::Now();
    bool still = true;
    std::vector<std::string> copied;
    for (size_t i = 0; i < names.size() && still; ++i) {
      const std::string target = fmt::format("{}/{}", to, names[i]);
      unlink(target.c_str());
      if (!before[i].has_value()) continue;
      still = !IsRacy(*before[i], began);
      if (!still) break;
      const absl::Status done = CopyFile(fmt::format("{}/{}", from, names[i]), target);
      still = done.ok() || ErrnoOf(done) != ENOENT;
      if (still) FS_RETURN_IF_ERROR(done);
      copied.push_back(names[i]);
    }
    FS_ASSIGN_OR_RETURN(const auto after, StampsOf(from, names));
    if (still && before == after) return copied;
    if (absl::Now() >= deadline) {
      return Unavailable("what is in {} changes all the time", from);
    }
    absl::SleepFor(kBetweenAttempts);
  }
}

}  // namespace filesync
