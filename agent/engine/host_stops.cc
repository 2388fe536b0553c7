#include "agent/engine/host_stops.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "libs/base/proc.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

// In which boot of the host an agent ran last; empty: it ended by itself.
constexpr char kBootKey[] = "boot";
constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";
// What is lost are whole blocks; the last of a file is at least this much of one, or all of it.
constexpr uint64_t kTail = 512;

bool EndsInZeros(const RelPath& path, uint64_t size, Location& location) {
  const absl::StatusOr<std::unique_ptr<LocalFile>> file = location.Open(path);
  if (!file.ok()) return false;
  std::string tail(std::min(size, kTail), '\xff');
  const absl::StatusOr<size_t> got = (*file)->ReadAt(size - tail.size(), tail.data(), tail.size());
  return got.ok() && *got == tail.size() && tail.find_first_not_of('\0') == std::string::npos;
}

}  // namespace

absl::Status HostStops::Begin(State* state) {
  state_ = state;
  boot_ = std::string(absl::StripAsciiWhitespace(ReadSmallFile(kBootId)));
  FS_ASSIGN_OR_RETURN(const std::optional<std::string> last, state_->GetMeta(kBootKey));
  agent_died_ = !last.value_or("").empty();
  suspects_ = !boot_.empty() && agent_died_ && *last != boot_;
  return suspects_ ? absl::OkStatus() : state_->SetMeta(kBootKey, boot_);
}

absl::Status HostStops::Checked() {
  suspects_ = false;
  return state_->SetMeta(kBootKey, boot_);
}

absl::Status HostStops::End() {
  // What was not looked at stays under suspicion.
  return suspects_ || state_ == nullptr ? absl::OkStatus() : state_->SetMeta(kBootKey, "");
}

bool IsLost(const EngineContext& context, const Situation& situation) {
  return context.suspects_damage && situation.absent() && situation.base.has_value() &&
         !situation.remote.has_value() && context.held.Find(situation.path) == nullptr &&
         !context.held.WaitsAtOrAbove(situation.path, HeldRow::Direction::kOutgoing);
}

bool IsDamaged(const Situation& situation, Location& location) {
  const std::optional<PreparedFile>& file = situation.file;
  const bool both_files = situation.is_file() && situation.base.has_value() &&
                          situation.base->entry.type == EntryType::kFile && file.has_value() &&
                          file->kind == PreparedFile::Kind::kReady;
  if (!both_files || file->content.hash == situation.base->entry.content.hash) return false;
  const Fingerprint& now = file->fingerprint;
  const Fingerprint& before = situation.base->fingerprint;
  if (now.mtime_ns != before.mtime_ns) return false;
  return now.size < before.size || EndsInZeros(situation.path, now.size, location);
}

}  // namespace filesync
