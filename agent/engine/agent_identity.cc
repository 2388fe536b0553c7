#include "agent/engine/agent_identity.h"

#include <optional>

#include "agent/engine/state/encoding.h"
#include "libs/base/coding.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr char kIdNote[] = "agent-id";
constexpr size_t kMostIdNoteBytes = 1024;
constexpr size_t kAgentIdLength = 16;
constexpr char kKeyByHandle = 'h';

// Two lines: the id, the root that it belongs to.
std::string NoteOf(const std::string& agent_id, const RootIdentity& identity) {
  return fmt::format("{}\n{}\n", HexEncode(agent_id), HexEncode(RootKey(identity)));
}

std::optional<std::string> FindNoted(const LocalDirectory& directory) {
  if (directory.StateDirectoryPath().empty()) return std::nullopt;
  const absl::StatusOr<UniqueFd> state = OpenDirectory(directory.StateDirectoryPath());
  if (!state.ok()) return std::nullopt;
  const absl::StatusOr<std::string> note = ReadFileAt(state->get(), kIdNote, kMostIdNoteBytes);
  if (!note.ok()) return std::nullopt;
  std::optional<std::string> id = HexDecode(std::string_view(*note).substr(0, note->find('\n')));
  const bool ours =
      id.has_value() && id->size() == kAgentIdLength && *note == NoteOf(*id, directory.identity());
  return ours ? id : std::nullopt;
}

}  // namespace

std::string RootKey(const RootIdentity& identity) {
  return identity.root_id + kKeyByHandle + identity.handle;
}

bool IsKeyOf(std::string_view key, const RootIdentity& identity) {
  if (key == RootKey(identity)) return true;
  // The id of the marker, the device, the inode.
  return key.size() == kOlderRootKeyBytes && key.starts_with(identity.root_id) &&
         ReadBigEndian64(key.data() + identity.root_id.size() + 8) == identity.inode;
}

std::string NewAgentId() { return RandomBytes(kAgentIdLength); }

std::string ReadAgentId(const LocalDirectory& directory) {
  std::optional<std::string> noted = FindNoted(directory);
  return noted.has_value() ? *std::move(noted) : NewAgentId();
}

absl::Status NoteAgentId(LocalDirectory& directory, const std::string& agent_id) {
  // What is noted already needs no room on the disk.
  if (FindNoted(directory) == agent_id) return absl::OkStatus();
  return directory.WriteNote(kIdNote, NoteOf(agent_id, directory.identity()));
}

}  // namespace filesync
