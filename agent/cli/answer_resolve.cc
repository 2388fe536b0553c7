#include "agent/cli/answer_resolve.h"

#include "libs/base/status.h"

namespace filesync {
namespace {

void Refuse(const absl::Status& why, control::v1::ResolveAnswer* answer) {
  answer->set_state(absl::IsUnavailable(why) ? control::v1::RESOLVE_STATE_OFFLINE
                                             : control::v1::RESOLVE_STATE_FAILED);
  answer->set_reason(EscapeForPeople(ToStd(why.message())));
}

void TellState(LocationSync& sync, const RelPath& path, control::v1::ResolveAnswer* answer) {
  const absl::StatusOr<LocationSync::ConflictState> state = sync.StateOfConflict(path);
  if (!state.ok()) return Refuse(state.status(), answer);
  switch (*state) {
    case LocationSync::ConflictState::kNone:
      return answer->set_state(control::v1::RESOLVE_STATE_NOT_HELD);
    case LocationSync::ConflictState::kHeld:
      return answer->set_state(control::v1::RESOLVE_STATE_HELD);
    case LocationSync::ConflictState::kUnderWay:
      return answer->set_state(control::v1::RESOLVE_STATE_UNDER_WAY);
  }
}

}  // namespace

std::optional<ConflictPolicy> PolicyOf(control::v1::Keep keep) {
  switch (keep) {
    case control::v1::KEEP_LOCAL:
      return ConflictPolicy::kKeepLocal;
    case control::v1::KEEP_REMOTE:
      return ConflictPolicy::kKeepRemote;
    case control::v1::KEEP_BOTH:
      return ConflictPolicy::kKeepBoth;
    default:
      return std::nullopt;
  }
}

void AnswerResolve(LocationSync& sync, const control::v1::ResolveRequest& request,
                   control::v1::ResolveAnswer* answer) {
  const absl::StatusOr<RelPath> path = RelPath::Parse(request.path());
  if (!path.ok()) return Refuse(path.status(), answer);
  if (request.keep() == control::v1::KEEP_UNSPECIFIED) return TellState(sync, *path, answer);
  const std::optional<ConflictPolicy> policy = PolicyOf(request.keep());
  if (!policy.has_value()) {
    const bool keep_copy = request.keep() == control::v1::KEEP_COPY;
    const absl::Status settled = sync.ResolveCopy(*path, keep_copy);
    if (!settled.ok()) return Refuse(settled, answer);
    return answer->set_state(control::v1::RESOLVE_STATE_SETTLED);
  }
  const absl::Status decided = sync.ResolveConflict(*path, *policy);
  if (decided.ok()) return answer->set_state(control::v1::RESOLVE_STATE_UNDER_WAY);
  if (absl::IsNotFound(decided)) return answer->set_state(control::v1::RESOLVE_STATE_NOT_HELD);
  Refuse(decided, answer);
}

}  // namespace filesync
