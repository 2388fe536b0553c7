// Conflicts between the wire and the model; see convert.h.

#include <algorithm>

#include "libs/base/status.h"
#include "libs/wire/convert.h"

namespace filesync {
namespace {

absl::StatusOr<EntryType> TypeOf(v1::EntryType type) {
  switch (type) {
    case v1::ENTRY_TYPE_TOMBSTONE:
      return EntryType::kTombstone;
    case v1::ENTRY_TYPE_FILE:
      return EntryType::kFile;
    case v1::ENTRY_TYPE_DIRECTORY:
      return EntryType::kDirectory;
    case v1::ENTRY_TYPE_SYMLINK:
      return EntryType::kSymlink;
    default:
      return InvalidArgument("a conflict with an unknown entry type {}", static_cast<int>(type));
  }
}

v1::EntryType TypeOf(EntryType type) {
  switch (type) {
    case EntryType::kTombstone:
      return v1::ENTRY_TYPE_TOMBSTONE;
    case EntryType::kFile:
      return v1::ENTRY_TYPE_FILE;
    case EntryType::kDirectory:
      return v1::ENTRY_TYPE_DIRECTORY;
    case EntryType::kSymlink:
      return v1::ENTRY_TYPE_SYMLINK;
  }
  return v1::ENTRY_TYPE_UNSPECIFIED;
}

absl::StatusOr<RelPath> PathOf(std::string_view bytes) {
  absl::StatusOr<RelPath> path = RelPath::Parse(bytes);
  if (path.ok() && !path->IsRoot()) return path;
  return InvalidArgument("a conflict at \"{}\": {}", EscapeForPeople(bytes.substr(0, 256)),
                         path.ok() ? "the root has none" : ToStd(path.status().message()));
}

void ToProto(const ConflictSide& side, v1::ConflictSide* proto) {
  proto->set_type(TypeOf(side.type));
  proto->set_size(side.size);
  proto->set_mtime_ns(side.mtime_ns);
  proto->set_short_hash(side.short_hash);
  proto->set_version(side.version);
  proto->set_author(side.author);
}

absl::StatusOr<ConflictSide> FromProto(const v1::ConflictSide& proto) {
  ConflictSide side;
  FS_ASSIGN_OR_RETURN(side.type, TypeOf(proto.type()));
  const bool file = side.type == EntryType::kFile;
  if (proto.short_hash().size() != (file ? kShortHashBytes : 0)) {
    return InvalidArgument("a conflict's {} has a short hash of {} bytes", EntryTypeName(side.type),
                           proto.short_hash().size());
  }
  side.short_hash = proto.short_hash();
  if (file) side.size = proto.size();
  if (file || side.type == EntryType::kSymlink) side.mtime_ns = proto.mtime_ns();
  side.version = proto.version();
  if (!proto.author().empty()) FS_RETURN_IF_ERROR(ValidateAgentId(proto.author()));
  side.author = proto.author();
  return side;
}

}  // namespace

void ToProto(const ConflictReport& report, v1::HeldConflicts* proto) {
  for (const HeldConflict& conflict : report.conflicts) {
    v1::HeldConflict* out = proto->add_conflicts();
    out->set_path(conflict.path.bytes());
    ToProto(conflict.local, out->mutable_local());
    ToProto(conflict.remote, out->mutable_remote());
    out->set_base_version(conflict.base_version);
  }
  proto->set_omitted(report.omitted);
  for (const RelPath& path : report.settled) proto->add_settled(path.bytes());
  proto->set_within(report.within.bytes());
}

absl::StatusOr<ConflictReport> FromProto(const v1::HeldConflicts& proto) {
  if (static_cast<size_t>(proto.conflicts_size()) > kMaxReportedConflicts) {
    return InvalidArgument("{} conflicts in one report, more than {}", proto.conflicts_size(),
                           kMaxReportedConflicts);
  }
  if (static_cast<size_t>(proto.settled_size()) > kMaxReportedConflicts) {
    return InvalidArgument("{} settled conflicts in one report, more than {}", proto.settled_size(),
                           kMaxReportedConflicts);
  }
  ConflictReport report;
  report.omitted = proto.omitted();
  if (!proto.within().empty()) {
    FS_ASSIGN_OR_RETURN(report.within, PathOf(proto.within()));
  }
  for (const std::string& bytes : proto.settled()) {
    FS_ASSIGN_OR_RETURN(RelPath path, PathOf(bytes));
    report.settled.push_back(std::move(path));
  }
  report.conflicts.reserve(proto.conflicts_size());
  for (const v1::HeldConflict& in : proto.conflicts()) {
    HeldConflict conflict;
    FS_ASSIGN_OR_RETURN(conflict.path, PathOf(in.path()));
    FS_ASSIGN_OR_RETURN(conflict.local, FromProto(in.local()));
    FS_ASSIGN_OR_RETURN(conflict.remote, FromProto(in.remote()));
    conflict.base_version = in.base_version();
    report.conflicts.push_back(std::move(conflict));
  }
  const auto by_path = [](const HeldConflict& a, const HeldConflict& b) { return a.path < b.path; };
  std::sort(report.conflicts.begin(), report.conflicts.end(), by_path);
  const auto same_path = [](const HeldConflict& a, const HeldConflict& b) {
    return a.path == b.path;
  };
  if (std::adjacent_find(report.conflicts.begin(), report.conflicts.end(), same_path) !=
      report.conflicts.end()) {
    return InvalidArgument("a report names the same conflict twice");
  }
  return report;
}

}  // namespace filesync
