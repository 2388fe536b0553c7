#include "libs/location/trash.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace filesync {

std::optional<int64_t> TrashedAt(std::string_view name) {
  int64_t seconds = 0;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data(), end, seconds);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '-') return std::nullopt;
  return seconds;
}

std::vector<TrashedFile> BeyondLimits(std::vector<TrashedFile> files, const TrashLimits& limits,
                                      absl::Time now) {
  std::sort(files.begin(), files.end(), [](const TrashedFile& a, const TrashedFile& b) {
    return std::tie(a.put_at, a.ctime_ns, a.name) < std::tie(b.put_at, b.ctime_ns, b.name);
  });
  uint64_t left = 0;
  for (const TrashedFile& file : files) left += file.bytes;
  size_t gone = 0;
  for (; gone < files.size(); ++gone) {
    const TrashedFile& file = files[gone];
    const bool old = absl::FromUnixSeconds(file.put_at) < now - limits.age;
    const bool too_much = left > limits.bytes && gone + 1 < files.size();
    if (!old && !too_much) break;
    left -= file.bytes;
  }
  files.resize(gone);
  return files;
}

}  // namespace filesync
