#include "agent/cli/action_list.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "agent/cli/progress_text.h"

namespace filesync {
namespace {

using control::v1::ActionKind;
using control::v1::PlannedAction;

// By number: what is said of it when it is to be done, and of how many.
struct Words {
  const char* plain;
  const char* many;
};

const Words& WordsOf(ActionKind kind) {
  static constexpr std::array<Words, 10> kWords = {{
      {"", ""},
      {"send", "to send"},
      {"receive", "to receive"},
      {"delete there", "to delete there"},
      {"delete here", "to delete here"},
      {"move there", "to move there"},
      {"move here", "to move here"},
      {"conflict", "conflicts"},
      {"hold", "held"},
      {"fail", "failed"},
  }};
  const auto index = static_cast<size_t>(kind);
  return kWords[index < kWords.size() ? index : 0];
}

ActionKind KindOf(SyncEvent::Kind kind) {
  switch (kind) {
    case SyncEvent::Kind::kUploaded:
      return control::v1::ACTION_KIND_SEND;
    case SyncEvent::Kind::kDownloaded:
      return control::v1::ACTION_KIND_RECEIVE;
    case SyncEvent::Kind::kDeletedHere:
      return control::v1::ACTION_KIND_DELETE_HERE;
    case SyncEvent::Kind::kDeletedThere:
      return control::v1::ACTION_KIND_DELETE_THERE;
    case SyncEvent::Kind::kMovedHere:
      return control::v1::ACTION_KIND_MOVE_HERE;
    case SyncEvent::Kind::kMovedThere:
      return control::v1::ACTION_KIND_MOVE_THERE;
    case SyncEvent::Kind::kConflict:
      return control::v1::ACTION_KIND_CONFLICT;
    case SyncEvent::Kind::kConflictHeld:
      return control::v1::ACTION_KIND_HOLD;
    case SyncEvent::Kind::kFailed:
      return control::v1::ACTION_KIND_FAIL;
  }
  return control::v1::ACTION_KIND_UNSPECIFIED;
}

ActionKind KindOf(const PendingPath& pending) {
  switch (pending.kind) {
    case PendingPath::Kind::kToSend:
      return pending.deletion ? control::v1::ACTION_KIND_DELETE_THERE
                              : control::v1::ACTION_KIND_SEND;
    case PendingPath::Kind::kToReceive:
      return pending.deletion ? control::v1::ACTION_KIND_DELETE_HERE
                              : control::v1::ACTION_KIND_RECEIVE;
    case PendingPath::Kind::kConflict:
    case PendingPath::Kind::kHeld:
      return control::v1::ACTION_KIND_HOLD;
    case PendingPath::Kind::kFailed:
      return control::v1::ACTION_KIND_FAIL;
  }
  return control::v1::ACTION_KIND_UNSPECIFIED;
}

std::string WhatAndWhy(const PlannedAction& action, const char* verb) {
  std::string text = fmt::format("{} {}", verb, action.path());
  if (!action.to().empty()) text += " -> " + action.to();
  if (action.size_bytes() > 0) text += fmt::format(" ({})", ForPeople(action.size_bytes()));
  if (!action.reason().empty()) text += ": " + action.reason();
  return text;
}

}  // namespace

void ActionList::Put(PlannedAction action) {
  const absl::StatusOr<RelPath> path = RelPath::ParseForPeople(action.path());
  Key key(path.ok() ? *path : RelPath(), action.kind(), action.to());
  absl::MutexLock lock(&mutex_);
  actions_[std::move(key)] = std::move(action);
}

void ActionList::Add(const SyncEvent& event) {
  const bool may_come_right =
      event.kind == SyncEvent::Kind::kFailed || event.kind == SyncEvent::Kind::kConflictHeld;
  if (may_come_right) return;
  PlannedAction action;
  action.set_kind(KindOf(event.kind));
  action.set_path(event.path.ForPeople());
  if (!event.to.IsRoot()) action.set_to(event.to.ForPeople());
  action.set_size_bytes(event.bytes);
  action.set_reason(EscapeForPeople(event.why));
  Put(std::move(action));
}

void ActionList::AddUnsettled(const PendingList& pending) {
  for (const PendingPath& path : pending.paths) {
    PlannedAction action = ToProto(path);
    const bool settled = action.kind() != control::v1::ACTION_KIND_HOLD &&
                         action.kind() != control::v1::ACTION_KIND_FAIL;
    if (!settled) Put(std::move(action));
  }
}

void ActionList::Fill(const SyncStatus& status, control::v1::LocationReport* report) const {
  report->set_directory(EscapeForPeople(status.directory));
  report->set_folder(EscapeForPeople(status.folder));
  report->set_state(EscapeForPeople(status.state_text));
  report->set_last_error(EscapeForPeople(status.last_error));
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, action] : actions_) *report->add_actions() = action;
}

PlannedAction ToProto(const PendingPath& pending) {
  PlannedAction action;
  action.set_kind(KindOf(pending));
  action.set_path(pending.path.ForPeople());
  action.set_reason(EscapeForPeople(pending.reason));
  return action;
}

std::string DescribePlanned(const PlannedAction& action) {
  return "would " + WhatAndWhy(action, WordsOf(action.kind()).plain);
}

std::string DescribePending(const PlannedAction& action) {
  return WhatAndWhy(action, WordsOf(action.kind()).plain);
}

std::string DescribeTotals(const control::v1::LocationReport& report) {
  struct Total {
    uint64_t count = 0;
    uint64_t bytes = 0;
  };
  std::map<ActionKind, Total> totals;
  for (const PlannedAction& action : report.actions()) {
    ++totals[action.kind()].count;
    totals[action.kind()].bytes += action.size_bytes();
  }
  std::string text;
  for (const auto& [kind, total] : totals) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", total.count, WordsOf(kind).many);
    if (total.bytes > 0) text += fmt::format(" ({})", ForPeople(total.bytes));
  }
  return text.empty() ? "nothing to do" : text;
}

}  // namespace filesync
