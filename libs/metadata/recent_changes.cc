#include "libs/metadata/recent_changes.h"

#include <iterator>
#include <utility>

namespace filesync {
namespace {

// For each folder, in bytes.
constexpr size_t kMostRemembered = 4 << 20;

size_t Weight(const Entry& entry) {
  size_t weight = sizeof(Entry) + entry.path.bytes().size() + entry.symlink_target.size() +
                  entry.moved_to.bytes().size() + entry.moved_from.bytes().size() +
                  entry.content.refs.size() * sizeof(ChunkRef);
  return weight + AttributeBytes(entry.attributes);
}

}  // namespace

void RecentChanges::Add(RecentCommit commit) {
  if (commit.empty()) return;
  Remembered remembered{nullptr, 0};
  for (const Entry& entry : commit) remembered.weight += Weight(entry);
  remembered.commit = std::make_shared<const RecentCommit>(std::move(commit));
  weight_ += remembered.weight;
  commits_.push_back(std::move(remembered));
  while (weight_ > kMostRemembered) {
    weight_ -= commits_.front().weight;
    commits_.pop_front();
  }
}

RecentChanges::View RecentChanges::After(uint64_t version) const {
  View view;
  // Most ask for the newest.
  auto begin = commits_.end();
  while (begin != commits_.begin() && std::prev(begin)->commit->back().version > version) --begin;
  for (; begin != commits_.end(); ++begin) view.commits_.push_back(begin->commit);
  return view;
}

const Entry* RecentChanges::View::Find(uint64_t version) {
  while (at_ < commits_.size() && commits_[at_]->back().version < version) ++at_;
  if (at_ == commits_.size() || version < commits_[at_]->front().version) return nullptr;
  return &(*commits_[at_])[version - commits_[at_]->front().version];
}

}  // namespace filesync
