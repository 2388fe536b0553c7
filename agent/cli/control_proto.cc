#include "agent/cli/control_proto.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace filesync {
namespace {

constexpr std::pair<SyncEvent::Kind, control::v1::SyncEventKind> kKinds[] = {
    {SyncEvent::Kind::kUploaded, control::v1::SYNC_EVENT_KIND_SENT},
    {SyncEvent::Kind::kDownloaded, control::v1::SYNC_EVENT_KIND_RECEIVED},
    {SyncEvent::Kind::kDeletedHere, control::v1::SYNC_EVENT_KIND_DELETED_HERE},
    {SyncEvent::Kind::kDeletedThere, control::v1::SYNC_EVENT_KIND_DELETED_THERE},
    {SyncEvent::Kind::kMovedHere, control::v1::SYNC_EVENT_KIND_MOVED},
    {SyncEvent::Kind::kMovedThere, control::v1::SYNC_EVENT_KIND_MOVED_THERE},
    {SyncEvent::Kind::kConflict, control::v1::SYNC_EVENT_KIND_CONFLICT},
    {SyncEvent::Kind::kConflictHeld, control::v1::SYNC_EVENT_KIND_CONFLICT_HELD},
    {SyncEvent::Kind::kFailed, control::v1::SYNC_EVENT_KIND_FAILED},
};

control::v1::SyncEventKind ToProtoKind(SyncEvent::Kind kind) {
  for (const auto& [here, there] : kKinds) {
    if (here == kind) return there;
  }
  return control::v1::SYNC_EVENT_KIND_UNSPECIFIED;
}

}  // namespace

void ToProto(absl::Time time, google::protobuf::Timestamp* proto) {
  const int64_t nanoseconds = absl::ToUnixNanos(time);
  proto->set_seconds(nanoseconds / 1'000'000'000);
  proto->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
}

void ToProto(const SyncEvent& event, control::v1::SyncEvent* proto) {
  proto->set_kind(ToProtoKind(event.kind));
  proto->set_path(event.path.ForPeople());
  proto->set_other_path(event.to.ForPeople());
  if (!event.to.IsRoot()) {
    proto->set_detail(event.to.ForPeople());
  } else if (event.NeedsReason()) {
    proto->set_detail(EscapeForPeople(event.why));
  }
  proto->set_reason(EscapeForPeople(event.why));
  proto->set_size_bytes(event.bytes);
}

void ToProto(const SyncProgress& progress, control::v1::Progress* proto) {
  proto->set_files_moved(progress.files_moved);
  proto->set_files_to_move(progress.files_to_move);
  proto->set_bytes_moved(progress.bytes_moved);
  proto->set_bytes_to_move(progress.bytes_to_move);
  proto->set_bytes_per_second(progress.bytes_per_second);
  if (progress.eta.has_value()) {
    proto->mutable_eta()->set_seconds(absl::ToInt64Seconds(*progress.eta));
  }
  proto->set_bytes_saved_by_deduplication(progress.bytes_saved_by_deduplication);
  proto->set_bytes_saved_by_compression(progress.bytes_saved_by_compression);
  for (const TransferProgress& transfer : progress.transfers) {
    control::v1::Transfer* out = proto->add_transfers();
    out->set_path(transfer.path.ForPeople());
    out->set_direction(transfer.direction == TransferDirection::kUp
                           ? control::v1::TRANSFER_DIRECTION_UP
                           : control::v1::TRANSFER_DIRECTION_DOWN);
    out->set_bytes_done(transfer.bytes_done);
    out->set_bytes_total(transfer.bytes_total);
  }
}

std::optional<SyncEvent> FromProto(const control::v1::SyncEvent& proto) {
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const auto& pair) { return pair.second == proto.kind(); });
  absl::StatusOr<RelPath> path = RelPath::ParseForPeople(proto.path());
  absl::StatusOr<RelPath> to = RelPath::ParseForPeople(proto.other_path());
  if (kind == std::end(kKinds) || !path.ok() || !to.ok()) return std::nullopt;
  return SyncEvent{kind->first, *std::move(path), *std::move(to), proto.size_bytes(),
                   proto.reason()};
}

SyncProgress FromProto(const control::v1::Progress& proto) {
  SyncProgress progress;
  progress.files_moved = proto.files_moved();
  progress.files_to_move = proto.files_to_move();
  progress.bytes_moved = proto.bytes_moved();
  progress.bytes_to_move = proto.bytes_to_move();
  progress.bytes_per_second = proto.bytes_per_second();
  if (proto.has_eta()) progress.eta = absl::Seconds(proto.eta().seconds());
  for (const control::v1::Transfer& transfer : proto.transfers()) {
    absl::StatusOr<RelPath> path = RelPath::ParseForPeople(transfer.path());
    if (!path.ok()) continue;
    progress.transfers.push_back({*std::move(path),
                                  transfer.direction() == control::v1::TRANSFER_DIRECTION_UP
                                      ? TransferDirection::kUp
                                      : TransferDirection::kDown,
                                  transfer.bytes_done(), transfer.bytes_total()});
  }
  return progress;
}

void ToProto(const SyncStatus& status, bool running, control::v1::Status* proto) {
  proto->set_directory(EscapeForPeople(status.directory));
  proto->set_folder(EscapeForPeople(status.folder));
  proto->set_server(EscapeForPeople(status.server));
  proto->set_state(EscapeForPeople(status.state_text));
  proto->set_running(running);
  proto->set_entries(status.entries);
  proto->set_bytes(status.bytes);
  proto->set_pending_local(status.pending_local);
  proto->set_pending_remote(status.pending_remote);
  for (const std::string& path : status.pending_paths) proto->add_pending_paths(path);
  for (const FailedPathInfo& failed : status.failed_paths) {
    control::v1::FailedPath* out = proto->add_failed_paths();
    out->set_path(failed.path);
    out->set_reason(EscapeForPeople(failed.reason));
  }
  proto->set_failed_count(status.failed_count);
  proto->set_last_error(EscapeForPeople(status.last_error));
  if (status.last_error_at != absl::InfinitePast()) {
    ToProto(status.last_error_at, proto->mutable_last_error_at());
  }
  proto->set_held_deletions(status.held_deletions);
  proto->set_held_replacements(status.held_replacements);
  proto->set_held_incoming_deletions(status.held_incoming_deletions);
  proto->set_held_incoming_replacements(status.held_incoming_replacements);
  proto->set_mode(std::string(ModeName(status.mode)));
  proto->set_applied_version(status.applied_version);
  proto->set_head_version(status.head_version);
  proto->set_conflicts(status.conflicts);
  proto->set_agent_id(status.agent_id);
  proto->set_agent_name(EscapeForPeople(status.agent_name));
  proto->set_bytes_sent(status.bytes_sent);
  proto->set_bytes_received(status.bytes_received);
  proto->set_bytes_saved(status.bytes_saved);
  proto->set_bytes_saved_by_deduplication(status.bytes_saved_by_deduplication);
  proto->set_bytes_saved_by_compression(status.bytes_saved_by_compression);
}

}  // namespace filesync
