#include "agent/engine/binding.h"

#include <algorithm>

#include "agent/engine/state/state.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

constexpr char kNote[] = "bound-to";
constexpr size_t kMostBytes = 4096;

// Two lines: the server, the folder.
std::optional<Binding> Parse(std::string_view text) {
  const size_t first = text.find('\n');
  if (first == std::string_view::npos || !text.ends_with('\n')) return std::nullopt;
  const std::string_view rest = text.substr(first + 1);
  if (std::count(rest.begin(), rest.end(), '\n') != 1) return std::nullopt;
  return Binding{std::string(text.substr(0, first)), std::string(rest.substr(0, rest.size() - 1))};
}

// What versions before 0.3 left has no note. Only when no agent works on it: SQLite would make
// files.
std::optional<Binding> FromState(const std::string& path) {
  if (PathExists(path + "-wal") || !PathExists(path)) return std::nullopt;
  const auto state = State::OpenReadOnly(path, /*alone=*/true);
  if (!state.ok()) return std::nullopt;
  const auto server = (*state)->GetMeta("server");
  const auto folder = (*state)->GetMeta("folder");
  if (!server.ok() || !folder.ok() || !server->has_value() || !folder->has_value()) {
    return std::nullopt;
  }
  return Binding{**server, **folder};
}

}  // namespace

std::optional<Binding> ReadBinding(const std::string& directory) {
  const absl::StatusOr<UniqueFd> state =
      OpenDirectory(fmt::format("{}/{}", directory, kStateDirectoryName));
  if (!state.ok()) return std::nullopt;
  const absl::StatusOr<std::string> note = ReadFileAt(state->get(), kNote, kMostBytes);
  if (note.ok()) {
    if (std::optional<Binding> binding = Parse(*note); binding.has_value()) return binding;
  }
  return FromState(fmt::format("/proc/self/fd/{}/state.db", state->get()));
}

absl::Status WriteBinding(LocalDirectory& directory, const Binding& binding) {
  return directory.WriteNote(kNote, fmt::format("{}\n{}\n", binding.server, binding.folder));
}

}  // namespace filesync
