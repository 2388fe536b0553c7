#include "services/syncd/data_directory.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

constexpr int kFormat = 1;
constexpr char kMarker[] = "filesync-data";
constexpr char kStore[] = "store";
constexpr size_t kMarkerBytes = 64;
// What a fresh file system has of its own.
constexpr char kLostAndFound[] = "lost+found";

absl::Status CheckMarker(int directory, const std::string& path) {
  FS_ASSIGN_OR_RETURN(const std::string text, ReadFileAt(directory, kMarker, kMarkerBytes));
  int format = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), format);
  if (error != std::errc() || format < 1) {
    return DataLoss("the marker {} in the data directory {} is damaged", kMarker, path);
  }
  if (format > kFormat) {
    return FailedPrecondition(
        "the data directory {} has format {}; this program knows formats up to {}: use a newer one",
        path, format, kFormat);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> PrepareDataDirectory(const std::string& path) {
  FS_RETURN_IF_ERROR(Annotate(MakeDirectories(path), "making the data directory"));
  FS_ASSIGN_OR_RETURN(const UniqueFd directory, OpenDirectory(path));
  FS_ASSIGN_OR_RETURN(std::vector<std::string> names, ListNames(path));
  std::erase(names, kLostAndFound);
  if (std::find(names.begin(), names.end(), kMarker) != names.end()) {
    FS_RETURN_IF_ERROR(CheckMarker(directory.get(), path));
  } else if (!names.empty()) {
    return FailedPrecondition(
        "{} is not a filesync data directory: it holds \"{}\"; give an empty or a new one", path,
        EscapeForPeople(*std::min_element(names.begin(), names.end())));
  } else {
    FS_RETURN_IF_ERROR(ReplaceFile(directory.get(), kMarker, fmt::format("{}\n", kFormat)));
  }
  return fmt::format("{}/{}", path, kStore);
}

}  // namespace filesync
