#include "services/admin/views.h"

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

uint64_t Lag(uint64_t head, uint64_t applied) { return head > applied ? head - applied : 0; }

}  // namespace

void SetTimestamp(int64_t ns, google::protobuf::Timestamp* timestamp) {
  // The fraction counts forward, also before 1970.
  int64_t seconds = ns / kNsPerSecond;
  int64_t fraction = ns % kNsPerSecond;
  if (fraction < 0) {
    fraction += kNsPerSecond;
    --seconds;
  }
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(static_cast<int32_t>(fraction));
}

v1::EntryView ToView(const Entry& entry) {
  v1::EntryView view;
  view.set_path(entry.path.ForPeople());
  view.set_type(std::string(EntryTypeName(entry.type)));
  if (entry.type == EntryType::kFile || entry.type == EntryType::kDirectory) {
    view.set_mode(fmt::format("{:04o}", entry.mode));
  }
  if (entry.type == EntryType::kFile || entry.type == EntryType::kSymlink) {
    SetTimestamp(entry.mtime_ns, view.mutable_modified_at());
  }
  if (entry.type == EntryType::kFile) {
    view.set_size(entry.content.size);
    view.set_content_hash(entry.content.hash.ToHex());
  }
  view.set_symlink_target(EscapeForPeople(entry.symlink_target));
  view.set_version(entry.version);
  view.set_author(HexEncode(entry.author));
  SetTimestamp(entry.committed_at_ns, view.mutable_committed_at());
  view.set_moved_to(entry.moved_to.ForPeople());
  view.set_moved_from(entry.moved_from.ForPeople());
  return view;
}

v1::HistoryView ToView(const HistoryRecord& record) {
  v1::HistoryView view;
  *view.mutable_entry() = ToView(record.entry);
  view.set_superseded_by(record.superseded_by);
  SetTimestamp(record.superseded_at_ns, view.mutable_superseded_at());
  return view;
}

v1::FolderView ToView(const FolderInfo& folder, size_t connected_agents) {
  v1::FolderView view;
  view.set_name(folder.name);
  view.set_id(folder.id);
  view.set_head_version(folder.head_version);
  view.set_entries(folder.live_entries);
  view.set_bytes(folder.live_bytes);
  SetTimestamp(folder.created_at_ns, view.mutable_created_at());
  view.set_connected_agents(static_cast<uint32_t>(connected_agents));
  if (folder.rules != nullptr) {
    for (const absl::string_view line : absl::StrSplit(*folder.rules, '\n', absl::SkipEmpty())) {
      view.add_ignore(std::string(line));
    }
  }
  return view;
}

v1::AgentView ToView(const SessionInfo& session, uint64_t head, bool connected) {
  v1::AgentView view;
  view.set_name(session.agent_name);
  view.set_id(HexEncode(session.agent_id));
  view.set_folder(session.folder_name);
  view.set_connected(connected);
  view.set_applied_version(session.applied.version);
  view.set_lag(Lag(head, session.applied.version));
  SetTimestamp(absl::ToUnixNanos(session.last_seen), view.mutable_last_seen());
  if (connected) view.set_address(session.address);
  view.set_state(!connected ? "offline" : view.lag() == 0 ? "in sync" : "syncing");
  return view;
}

v1::AgentView ToView(const AgentRecord& agent, const FolderInfo& folder) {
  v1::AgentView view;
  view.set_name(agent.name);
  view.set_id(HexEncode(agent.id));
  view.set_folder(folder.name);
  view.set_applied_version(agent.cursor.version);
  view.set_lag(Lag(folder.head_version, agent.cursor.version));
  SetTimestamp(agent.last_seen_ns, view.mutable_last_seen());
  view.set_state("offline");
  return view;
}

}  // namespace filesync
