#include "services/admin/list_conflicts.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/reconcile/conflict_copies.h"
#include "libs/wire/convert.h"
#include "services/admin/views.h"

namespace filesync {
namespace {

constexpr uint32_t kDefaultConflictsPage = 100;
constexpr uint32_t kLargestConflictsPage = 1000;
// Callers' receive limit is 4 MiB when they did not raise it; a view has two paths at most.
constexpr size_t kConflictsAnswerBytes = 2 << 20;
// Entries looked at for one page: a folder of millions has few copies.
constexpr size_t kMostEntriesPerPage = 20'000;
constexpr size_t kEntriesReadAtOnce = 1000;

// A page begins after a held conflict, or after an entry that was looked at for copies.
struct Position {
  bool held = true;
  std::optional<ConflictPosition> conflict;
  std::optional<RelPath> entry;
};

std::string ToToken(const ConflictPosition& position) {
  return "h" + HexEncode(position.agent_id + position.path.bytes());
}

std::string ToToken(const std::optional<RelPath>& entry) {
  return "c" + (entry.has_value() ? HexEncode(entry->bytes()) : "");
}

absl::StatusOr<Position> FromToken(const std::string& token) {
  Position position;
  if (token.empty()) return position;
  const absl::Status foreign = InvalidArgument("the page token is not one of this server's");
  const std::optional<std::string> bytes = HexDecode(token.substr(1));
  if (!bytes.has_value() || (token[0] != 'h' && token[0] != 'c')) return foreign;
  position.held = token[0] == 'h';
  const size_t path_at = position.held ? kAgentIdBytes : 0;
  if (bytes->size() < path_at) return foreign;
  absl::StatusOr<RelPath> path = RelPath::Parse(std::string_view(*bytes).substr(path_at));
  if (!path.ok()) return foreign;
  if (position.held) {
    position.conflict = ConflictPosition{bytes->substr(0, path_at), *std::move(path)};
  } else if (!path->IsRoot()) {
    position.entry = *std::move(path);
  }
  return position;
}

class Lister {
 public:
  Lister(const AdminDependencies& dependencies, const FolderInfo& folder, size_t page,
         v1::ListConflictsResponse* response)
      : metadata_(*dependencies.metadata),
        names_(dependencies, folder.id),
        folder_(folder.id),
        page_(page),
        response_(response) {
    for (const SessionInfo& session : dependencies.sessions->List(folder.id)) {
      connected_.insert(session.agent_id);
    }
  }

  // True when all were listed.
  absl::StatusOr<bool> Held(const RelPath& prefix, const std::optional<ConflictPosition>& after) {
    FS_ASSIGN_OR_RETURN(const ConflictPage page,
                        metadata_.ListConflicts(folder_, prefix, after, page_));
    response_->set_omitted(page.omitted);
    std::optional<ConflictPosition> last = after;
    for (const ConflictRecord& record : page.conflicts) {
      v1::ConflictView view = ToView(record, names_);
      view.set_connected(connected_.contains(record.agent_id));
      if (!Fits(view)) {
        response_->set_next_page_token(ToToken(*last));
        return false;
      }
      last = ConflictPosition{record.agent_id, record.conflict.path};
      *response_->add_conflicts() = std::move(view);
    }
    if (page.more) response_->set_next_page_token(ToToken(page.last));
    return !page.more;
  }

  absl::Status Copies(const RelPath& prefix, std::optional<RelPath> after) {
    for (size_t seen = 0; seen < kMostEntriesPerPage; seen += kEntriesReadAtOnce) {
      FS_ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                          metadata_.ListEntries(folder_, prefix, after, kEntriesReadAtOnce, false));
      for (const Entry& entry : entries) {
        const auto copy = ParseConflictCopyPath(entry.path);
        if (copy.has_value()) {
          FS_ASSIGN_OR_RETURN(v1::ConflictView view, CopyView(entry, *copy));
          if (!Fits(view)) {
            response_->set_next_page_token(ToToken(after));
            return absl::OkStatus();
          }
          *response_->add_conflicts() = std::move(view);
        }
        after = entry.path;
      }
      if (entries.size() < kEntriesReadAtOnce) return absl::OkStatus();
    }
    response_->set_next_page_token(ToToken(after));
    return absl::OkStatus();
  }

  bool Full() const { return static_cast<size_t>(response_->conflicts_size()) >= page_; }

 private:
  // Whether the page has room for it; a page has room for one at least.
  bool Fits(const v1::ConflictView& view) {
    bytes_ += view.ByteSizeLong();
    return response_->conflicts_size() == 0 || (!Full() && bytes_ <= kConflictsAnswerBytes);
  }

  absl::StatusOr<v1::ConflictView> CopyView(const Entry& entry, const ConflictCopyName& copy) {
    const absl::StatusOr<Entry> original = metadata_.GetEntry(folder_, copy.original);
    if (!original.ok() && !absl::IsNotFound(original.status())) return original.status();
    const bool stands = original.ok() && original->IsLive();
    return ToView(entry, copy, stands ? &*original : nullptr, names_);
  }

  MetadataStore& metadata_;
  const AgentNames names_;
  const FolderId folder_;
  const size_t page_;
  v1::ListConflictsResponse* const response_;
  absl::flat_hash_set<std::string> connected_;
  size_t bytes_ = 0;
};

}  // namespace

absl::Status ListConflicts(const AdminDependencies& dependencies, const FolderInfo& folder,
                           const v1::ListConflictsRequest& request,
                           v1::ListConflictsResponse* response) {
  const absl::StatusOr<RelPath> prefix = RelPath::ParseForPeople(request.prefix());
  if (!prefix.ok()) {
    return InvalidArgument("path \"{}\": {}", EscapeForPeople(request.prefix()),
                           ToStd(prefix.status().message()));
  }
  FS_ASSIGN_OR_RETURN(Position position, FromToken(request.page_token()));
  const uint32_t page = request.page_size() == 0
                            ? kDefaultConflictsPage
                            : std::min(request.page_size(), kLargestConflictsPage);
  Lister lister(dependencies, folder, page, response);
  if (position.held) {
    FS_ASSIGN_OR_RETURN(const bool all, lister.Held(*prefix, position.conflict));
    if (!all) return absl::OkStatus();
    if (lister.Full()) {
      response->set_next_page_token(ToToken(std::optional<RelPath>()));
      return absl::OkStatus();
    }
  }
  return lister.Copies(*prefix, position.entry);
}

}  // namespace filesync
