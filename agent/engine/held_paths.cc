#include "agent/engine/held_paths.h"

#include "libs/base/status.h"

namespace filesync {

absl::Status HeldPaths::Load(State* state) {
  state_ = state;
  FS_ASSIGN_OR_RETURN(std::vector<HeldRow> rows, state_->AllHeld());
  for (HeldRow& row : rows) {
    const RelPath path = row.path;
    rows_[path] = std::move(row);
  }
  ++generation_;
  return absl::OkStatus();
}

const HeldRow* HeldPaths::Find(const RelPath& path) const {
  if (rows_.empty()) return nullptr;
  const auto it = rows_.find(path);
  return it == rows_.end() ? nullptr : &it->second;
}

const HeldRow* HeldPaths::Find(const RelPath& path, Direction direction) const {
  const HeldRow* row = Find(path);
  return row != nullptr && row->direction == direction ? row : nullptr;
}

bool HeldPaths::IsUndone(const RelPath& path, Direction direction) const {
  const HeldRow* row = Find(path, direction);
  return row != nullptr && row->verdict == HeldRow::Verdict::kUndone;
}

bool HeldPaths::WaitsAtOrAbove(const RelPath& path, Direction direction) const {
  if (rows_.empty()) return false;
  for (RelPath at = path; !at.IsRoot(); at = at.Parent()) {
    const HeldRow* row = Find(at, direction);
    if (row != nullptr && row->verdict == HeldRow::Verdict::kNone) return true;
  }
  return false;
}

bool HeldPaths::WaitsBelow(const RelPath& directory, Direction direction) const {
  for (auto it = rows_.upper_bound(directory);
       it != rows_.end() && it->first.IsAtOrBelow(directory); ++it) {
    const HeldRow& row = it->second;
    if (row.direction == direction && row.verdict == HeldRow::Verdict::kNone) return true;
  }
  return false;
}

uint64_t HeldPaths::CountBelow(const RelPath& directory, Direction direction) const {
  uint64_t count = 0;
  for (auto it = rows_.upper_bound(directory);
       it != rows_.end() && it->first.IsAtOrBelow(directory); ++it) {
    const HeldRow& row = it->second;
    if (row.direction == direction && row.verdict == HeldRow::Verdict::kNone) ++count;
  }
  return count;
}

absl::Status HeldPaths::Put(const HeldRow& row) {
  FS_RETURN_IF_ERROR(state_->PutHeld(row));
  rows_[row.path] = row;
  ++generation_;
  return absl::OkStatus();
}

absl::Status HeldPaths::Erase(const RelPath& path) {
  const auto it = rows_.find(path);
  if (it == rows_.end()) return absl::OkStatus();
  FS_RETURN_IF_ERROR(state_->DeleteHeld(path));
  rows_.erase(it);
  ++generation_;
  return absl::OkStatus();
}

absl::Status HeldPaths::Clear() {
  FS_RETURN_IF_ERROR(state_->DropHeld());
  rows_.clear();
  ++generation_;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RelPath>> HeldPaths::ConfirmAll() {
  std::vector<RelPath> paths;
  State::Transaction transaction(state_);
  for (const Direction direction : {Direction::kOutgoing, Direction::kIncoming}) {
    for (HeldRow& row : Waiting(direction)) {
      row.verdict = HeldRow::Verdict::kConfirmed;
      FS_RETURN_IF_ERROR(Put(row));
      paths.push_back(row.path);
    }
  }
  FS_RETURN_IF_ERROR(transaction.Commit());
  return paths;
}

absl::StatusOr<std::vector<RelPath>> HeldPaths::UndoAll() {
  std::vector<RelPath> paths;
  State::Transaction transaction(state_);
  for (const Direction direction : {Direction::kOutgoing, Direction::kIncoming}) {
    for (const HeldRow& row : Waiting(direction)) FS_RETURN_IF_ERROR(Undo(row, paths));
  }
  FS_RETURN_IF_ERROR(transaction.Commit());
  return paths;
}

absl::Status HeldPaths::Undo(HeldRow row, std::vector<RelPath>& paths) {
  paths.push_back(row.path);
  if (row.winner != Winner::kNone) return Erase(row.path);
  row.verdict = HeldRow::Verdict::kUndone;
  FS_RETURN_IF_ERROR(Put(row));
  if (row.direction == Direction::kIncoming) return absl::OkStatus();
  FS_ASSIGN_OR_RETURN(const std::vector<BaseRow> bases, state_->BaseTree(row.path));
  for (const BaseRow& base : bases) {
    row.path = base.entry.path;
    FS_ASSIGN_OR_RETURN(const std::optional<Entry> remote, state_->GetRemote(row.path));
    if (!remote.has_value()) FS_RETURN_IF_ERROR(state_->PutRemote(base.entry));
    FS_RETURN_IF_ERROR(state_->DeleteBase(row.path));
    FS_RETURN_IF_ERROR(Put(row));
    paths.push_back(row.path);
  }
  return absl::OkStatus();
}

std::vector<HeldRow> HeldPaths::Waiting(Direction direction) const {
  std::vector<HeldRow> waiting;
  for (const auto& [path, row] : rows_) {
    if (row.direction == direction && row.verdict == HeldRow::Verdict::kNone)
      waiting.push_back(row);
  }
  return waiting;
}

}  // namespace filesync
