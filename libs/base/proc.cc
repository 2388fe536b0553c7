#include "libs/base/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "absl/synchronization/mutex.h"

namespace filesync {
namespace {

constexpr size_t kSmallFile = 1 << 20;

uint64_t CountOpenFiles() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  uint64_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  // ".", ".." and the handle of this very listing.
  return count < 3 ? 0 : count - 3;
}

double BootTime() {
  std::istringstream lines(ReadSmallFile("/proc/stat"));
  std::string word;
  while (lines >> word) {
    double value = 0;
    if (word == "btime" && lines >> value) return value;
  }
  return 0;
}

}  // namespace

std::string ReadSmallFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while (text.size() < kSmallFile && (n = read(fd, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

ProcessFigures ReadProcessFigures() {
  ProcessFigures figures;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  // The name in parentheses may hold blanks; the fields are counted from behind it.
  const std::string stat = ReadSmallFile("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end != std::string::npos) {
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    uint64_t user = 0, system = 0, start = 0, virtual_bytes = 0, pages = 0;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    fields >> user >> system;
    for (int i = 0; i < 6; ++i) fields >> skipped;
    fields >> start >> virtual_bytes >> pages;
    figures.cpu_seconds = static_cast<double>(user + system) / ticks;
    figures.start_time_seconds = BootTime() + static_cast<double>(start) / ticks;
    figures.virtual_bytes = virtual_bytes;
    figures.resident_bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  figures.open_fds = CountOpenFiles();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.max_fds = limit.rlim_cur;
  return figures;
}

void KeepFreedBuffers() {
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

void CheckNoLockOrder() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

}  // namespace filesync
