// Conflicts as people read them; see views.h.

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "services/admin/views.h"

namespace filesync {
namespace {

v1::ConflictSideView ToView(const ConflictSide& side, const std::string& by) {
  v1::ConflictSideView view;
  view.set_type(std::string(EntryTypeName(side.type)));
  view.set_size(side.size);
  if (side.type == EntryType::kFile || side.type == EntryType::kSymlink) {
    SetTimestamp(side.mtime_ns, view.mutable_modified_at());
  }
  view.set_short_hash(HexEncode(side.short_hash));
  view.set_version(side.version);
  view.set_by(by);
  return view;
}

}  // namespace

AgentNames::AgentNames(const AdminDependencies& dependencies, FolderId folder) {
  const absl::StatusOr<std::vector<AgentRecord>> records =
      dependencies.metadata->ListAgents(folder);
  // Without names, ids are shown.
  if (!records.ok()) return;
  for (const AgentRecord& record : *records) names_[record.id] = record.name;
}

std::string AgentNames::Of(const std::string& id) const {
  const auto known = names_.find(id);
  return known != names_.end() ? known->second : HexEncode(id);
}

v1::ConflictView ToView(const ConflictRecord& record, const AgentNames& names) {
  const HeldConflict& conflict = record.conflict;
  v1::ConflictView view;
  view.set_path(conflict.path.ForPeople());
  view.set_kind("held");
  *view.mutable_local() = ToView(conflict.local, record.agent_name);
  *view.mutable_remote() = ToView(conflict.remote, names.Of(conflict.remote.author));
  view.set_base_version(conflict.base_version);
  SetTimestamp(record.since_ns, view.mutable_since());
  view.set_agent_id(HexEncode(record.agent_id));
  view.set_agent_name(record.agent_name);
  return view;
}

v1::ConflictView ToView(const Entry& copy, const ConflictCopyName& name, const Entry* original,
                        const AgentNames& names) {
  v1::ConflictView view;
  view.set_path(name.original.ForPeople());
  view.set_kind("copy");
  *view.mutable_local() = ToView(ToConflictSide(copy), names.Of(copy.author));
  if (original != nullptr) {
    *view.mutable_remote() = ToView(ToConflictSide(*original), names.Of(original->author));
  }
  SetTimestamp(copy.committed_at_ns, view.mutable_since());
  view.set_agent_name(name.agent);
  view.set_copy_path(copy.path.ForPeople());
  return view;
}

}  // namespace filesync
