#include "libs/base/mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace filesync {
namespace {

constexpr char kTable[] = "/proc/self/mountinfo";

// Blanks, tabs, line breaks and backslashes stand as \ooo.
std::string Unescape(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      plain.push_back(static_cast<char>(code));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

}  // namespace

MountTable::MountTable() : watch_(open(kTable, O_RDONLY | O_CLOEXEC)) {}

bool MountTable::Changed() {
  // The kernel tells once of each change since the last poll; see proc(5).
  pollfd change = {watch_.get(), POLLPRI, 0};
  const bool same = watch_.ok() && poll(&change, 1, 0) == 0;
  const bool first = !asked_;
  asked_ = true;
  return first || !same;
}

std::vector<Mount> MountTable::Read() {
  std::vector<Mount> mounts;
  std::ifstream table(kTable);
  std::string line;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string id;
    std::string parent;
    std::string numbers;
    std::string within;
    std::string point;
    fields >> id >> parent >> numbers >> within >> point;
    const size_t colon = numbers.find(':');
    if (colon == std::string::npos) continue;
    const auto major = static_cast<unsigned>(std::strtoul(numbers.c_str(), nullptr, 10));
    const auto minor =
        static_cast<unsigned>(std::strtoul(numbers.c_str() + colon + 1, nullptr, 10));
    mounts.push_back({makedev(major, minor), Unescape(point)});
  }
  return mounts;
}

}  // namespace filesync
