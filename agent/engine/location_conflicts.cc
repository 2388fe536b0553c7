// The engine's answers to people about conflicts: what is held, and what becomes of it.

#include <memory>

#include "absl/synchronization/notification.h"
#include "agent/engine/location_sync.h"
#include "libs/base/status.h"
#include "libs/reconcile/conflict_copies.h"

namespace filesync {
namespace {

constexpr absl::Duration kAnswerWithin = absl::Seconds(4);

}  // namespace

// Runs `question` on the engine's thread. What comes too late is thrown away.
template <typename Result>
absl::StatusOr<Result> LocationSync::Ask(std::function<Result()> question) {
  struct Asked {
    std::function<Result()> question;
    absl::Notification answered;
    std::optional<Result> answer;
  };
  auto asked = std::make_shared<Asked>();
  asked->question = std::move(question);
  context_.mailbox.Post([asked] {
    asked->answer = asked->question();
    asked->answered.Notify();
  });
  if (!asked->answered.WaitForNotificationWithTimeout(kAnswerWithin)) {
    return Unavailable("the agent is busy; try again");
  }
  return *std::move(asked->answer);
}

absl::StatusOr<std::vector<HeldConflict>> LocationSync::ListHeldConflicts(size_t limit) {
  return Ask<std::vector<HeldConflict>>([this, limit] {
    std::vector<HeldConflict> held;
    for (const auto& [path, failure] : context_.failures.all()) {
      if (held.size() == limit) break;
      const bool waits = failure.held.has_value() && !context_.decided.contains(path);
      if (waits) held.push_back(*failure.held);
    }
    return held;
  });
}

absl::StatusOr<LocationSync::ConflictState> LocationSync::StateOfConflict(const RelPath& path) {
  using Result = absl::StatusOr<ConflictState>;
  FS_ASSIGN_OR_RETURN(Result state, Ask<Result>([this, path]() -> Result {
                        if (!context_.decided.contains(path)) {
                          return context_.failures.IsConflict(path) ? ConflictState::kHeld
                                                                    : ConflictState::kNone;
                        }
                        if (!context_.halt.ok()) return context_.halt;
                        if (!context_.welcome.has_value()) {
                          return Unavailable("the connection to the server was lost");
                        }
                        const auto failure = context_.failures.all().find(path);
                        if (failure != context_.failures.all().end() && !failure->second.conflict) {
                          return Aborted("{}", failure->second.reason);
                        }
                        return ConflictState::kUnderWay;
                      }));
  return state;
}

absl::Status LocationSync::ResolveConflict(const RelPath& path, ConflictPolicy keep) {
  FS_ASSIGN_OR_RETURN(
      absl::Status decided, Ask<absl::Status>([this, path, keep]() -> absl::Status {
        if (!context_.failures.IsConflict(path)) {
          return NotFound("no conflict is held here at {}", path.ForPeople());
        }
        if (!context_.halt.ok()) return context_.halt;
        if (!context_.welcome.has_value()) {
          return Unavailable("{} can't be reached now; try again when it can", options_.server);
        }
        log_->Info("{}: a person decided: {}", path.ForPeople(), ConflictPolicyName(keep));
        context_.decided[path] = keep;
        context_.Dirty(path);
        PublishStatus();
        return absl::OkStatus();
      }));
  return decided;
}

absl::Status LocationSync::ResolveCopy(const RelPath& copy, bool keep_copy) {
  FS_ASSIGN_OR_RETURN(absl::Status settled, Ask<absl::Status>([this, copy, keep_copy] {
                        return SettleCopy(copy, keep_copy);
                      }));
  return settled;
}

// Both are ordinary files: what is done to them here is passed on like any other change.
absl::Status LocationSync::SettleCopy(const RelPath& copy, bool keep_copy) {
  const auto name = ParseConflictCopyPath(copy);
  if (!name.has_value()) return InvalidArgument("{} is no conflict copy", copy.ForPeople());
  if (!context_.halt.ok()) return context_.halt;
  const RelPath& original = name->original;
  const Look of_copy = directory_->LookAt(copy);
  const Look of_original = directory_->LookAt(original);
  for (const Look* look : {&of_copy, &of_original}) {
    if (look->presence == Look::Presence::kUnknown) return look->why;
  }
  const auto is_file = [](const Look& look) {
    return look.entry.type == LocalType::kFile || look.entry.type == LocalType::kSymlink;
  };
  if (of_copy.presence == Look::Presence::kAbsent || !is_file(of_copy)) {
    return NotFound("there is no conflict copy {} here", copy.ForPeople());
  }
  const bool stands = of_original.presence == Look::Presence::kPresent;
  absl::StatusOr<ApplyResult> done;
  if (!keep_copy) {
    if (!stands) {
      return FailedPrecondition(
          "nothing stands at {}: the copy is all there is; '--keep copy' gives it its name back",
          original.ForPeople());
    }
    done = directory_->Remove(copy, of_copy.entry.fingerprint);
  } else if (!stands) {
    done = directory_->Move(copy, of_copy.entry.fingerprint, original);
  } else if (!is_file(of_original)) {
    return FailedPrecondition("{} is a directory; rename the copy by hand", original.ForPeople());
  } else {
    done = directory_->MoveOver(copy, of_copy.entry.fingerprint, original,
                                of_original.entry.fingerprint);
  }
  FS_RETURN_IF_ERROR(done.status());
  if (done->kind != ApplyKind::kApplied) {
    return Aborted("{} is being changed; try again", copy.ForPeople());
  }
  log_->Info("{}: a person decided: {} is kept", original.ForPeople(),
             keep_copy ? "the conflict copy" : "what stands under the name");
  const RelPath parent = copy.Parent();
  FS_RETURN_IF_ERROR(directory_->SyncDirectories(std::span(&parent, 1)));
  context_.Dirty(copy);
  context_.focus.Add(original);
  if (keep_copy) context_.Dirty(original);
  PublishStatus();
  return absl::OkStatus();
}

// An engine that looks at one path knows nothing of what else is held: it tells of this path alone.
void LocationSync::ReportConflicts() {
  if (!LooksAtOnePath()) {
    reporter_.Step(!context_.scan_under_way() && apply_->Idle() && commit_->Idle() &&
                   hold_local_until_ == 0 && context_.dirty.size() <= context_.failures.size());
    return;
  }
  const RelPath& path = *options_.only;
  const bool settled = apply_->Idle() && commit_->Idle() && context_.dirty.empty() &&
                       !context_.decided.contains(path) && !context_.failures.IsConflict(path);
  if (settled) reporter_.Settled(path);
}

}  // namespace filesync
