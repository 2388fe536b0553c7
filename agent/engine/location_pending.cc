// What is not in step yet, path by path, with the reasons.

#include <algorithm>
#include <set>

#include "absl/synchronization/notification.h"
#include "agent/engine/location_sync.h"
#include "agent/engine/situation.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr absl::Duration kListWithin = absl::Seconds(5);

// What can be told of a local change without reading it.
const char* WhyLocal(const Situation& situation) {
  if (situation.absent()) return "deleted here";
  return situation.base.has_value() ? "changed here" : "new here";
}

const char* WhyRemote(const Situation& situation) {
  if (!situation.remote->IsLive()) return "deleted there";
  return situation.base.has_value() ? "changed there" : "new there";
}

}  // namespace

absl::StatusOr<PendingList> LocationSync::Pending(size_t limit) {
  struct Answer {
    PendingList list;
    absl::Notification ready;
  };
  const auto answer = std::make_shared<Answer>();
  context_.mailbox.Post([this, answer, limit] {
    answer->list = ListPending(limit);
    answer->ready.Notify();
  });
  if (!answer->ready.WaitForNotificationWithTimeout(kListWithin)) {
    return Unavailable("the agent is too busy to answer; ask again later");
  }
  return std::move(answer->list);
}

PendingList LocationSync::ListPending(size_t limit) {
  std::vector<RelPath> paths = context_.dirty.Some(context_.dirty.size());
  for (RelPath& path : context_.in_flight.Paths()) paths.push_back(std::move(path));
  std::set<RelPath> waiting(paths.begin(), paths.end());
  for (const auto& [path, row] : context_.held.all()) {
    // A directory stands for what was in it.
    const bool waits = row.verdict == HeldRow::Verdict::kNone && context_.focus.Shows(path) &&
                       !context_.held.WaitsAtOrAbove(path.Parent(), row.direction);
    if (waits) waiting.insert(path);
  }
  for (const auto& [path, failure] : context_.failures.all()) waiting.insert(path);
  PendingList list;
  list.total = waiting.size();
  for (const RelPath& path : waiting) {
    if (list.paths.size() == limit) break;
    if (std::optional<PendingPath> pending = Waiting(path); pending.has_value()) {
      list.paths.push_back(*std::move(pending));
    } else {
      --list.total;
    }
  }
  return list;
}

// What the brake holds at the path, or what one side's winning would cost the other.
PendingPath LocationSync::DescribeHeld(const HeldRow& row) const {
  PendingPath pending;
  pending.kind = PendingPath::Kind::kHeld;
  pending.path = row.path;
  pending.deletion = row.loss == HeldRow::Loss::kDeleted;
  const bool outgoing = row.direction == HeldRow::Direction::kOutgoing;
  const char* const where = outgoing ? "here" : "there";
  const uint64_t held = outgoing ? gate_->held().total() : incoming_->held().total();
  if (!pending.deletion) {
    pending.reason = fmt::format("replaced {} by something else: waits for a confirmation", where);
    return pending;
  }
  // What is gone here goes there with all that the folder has in it.
  const uint64_t entries = outgoing ? state_->CountTree(row.path).value_or(1)
                                    : 1 + context_.held.CountBelow(row.path, row.direction);
  const char* const what = row.version > 0 || outgoing ? "deleted" : "not";
  pending.reason =
      fmt::format("{} {}, {} of {} entries: waits for a confirmation", what, where, entries, held);
  return pending;
}

// Nullopt: it is to be looked at, and then nothing will be found to do.
std::optional<PendingPath> LocationSync::Waiting(const RelPath& path) {
  PendingPath pending;
  pending.path = path;
  if (const auto failed = context_.failures.all().find(path);
      failed != context_.failures.all().end()) {
    pending.kind =
        failed->second.conflict ? PendingPath::Kind::kConflict : PendingPath::Kind::kFailed;
    pending.reason = failed->second.reason;
    pending.attempts = failed->second.attempts;
    pending.next_attempt = context_.dirty.When(path);
    return pending;
  }
  if (const HeldRow* row = context_.held.Find(path);
      row != nullptr && row->verdict == HeldRow::Verdict::kNone) {
    return DescribeHeld(*row);
  }
  const absl::StatusOr<Situation> situation = Examine(context_, path);
  if (!situation.ok()) {
    pending.reason = std::string(ToStd(situation.status().message()));
    return pending;
  }
  if (situation->look.presence == Look::Presence::kUnknown) {
    pending.reason = "it can't be told what is here";
    return pending;
  }
  if (situation->NothingToDecide(ModeFor(context_, *situation)) ||
      filters_.Ignores(path, situation->IsDirectoryAnywhere())) {
    return std::nullopt;
  }
  const bool quiet_here =
      situation->LocalUnchanged() || (situation->absent() && !situation->base.has_value());
  if (situation->remote.has_value() && quiet_here) {
    pending.kind = PendingPath::Kind::kToReceive;
    pending.deletion = !situation->remote->IsLive();
    pending.reason = WhyRemote(*situation);
    return pending;
  }
  pending.deletion = situation->absent();
  pending.reason = WhyLocal(*situation);
  if (situation->remote.has_value()) {
    pending.reason += fmt::format(", {}", WhyRemote(*situation));
  }
  return pending;
}

}  // namespace filesync
