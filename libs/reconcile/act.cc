#include "libs/reconcile/act.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace filesync {
namespace {

constexpr absl::Duration kPause = absl::Minutes(5);
constexpr absl::Duration kLongest = absl::Hours(1);
// What goes before it can be told that more follows: as little as nobody would mind to bring back
// by hand.
constexpr uint64_t kFew = 3;
// What is remembered of new files; more than this are no act of one moment.
constexpr size_t kMostScrambled = 1'000'000;

uint64_t Key(const RelPath& path) { return absl::Hash<RelPath>()(path); }

}  // namespace

void Act::Age(absl::Time now) {
  const bool on = last_ > absl::InfinitePast();
  if (on && (now - last_ > kPause || now - began_ > kLongest)) End();
}

void Act::Touch(absl::Time now) {
  last_ = now;
  began_ = std::min(began_, now);
}

void Act::End() {
  deleted_ = 0;
  kept_ = Losses();
  replaced_.clear();
  scrambled_.clear();
  peak_ = 0;
  began_ = absl::InfiniteFuture();
  last_ = absl::InfinitePast();
}

bool Act::Holds(const Losses& waiting, uint64_t entries, absl::Time now) {
  Saw(entries, now);
  const uint64_t useful = entries - std::min<uint64_t>(entries, scrambled_.size());
  const uint64_t going = waiting.deleted + kept_.deleted;
  const uint64_t left = useful - std::min(useful, going);
  const uint64_t shrunk = peak_ - left;
  const uint64_t deleted = std::min(deleted_ + going, shrunk);
  return limit_.Holds(deleted + replaced_.size() + kept_.replaced + waiting.replaced, peak_);
}

bool Act::Few(uint64_t more, absl::Time now) {
  Age(now);
  const uint64_t cost = deleted_ + replaced_.size() + kept_.deleted + kept_.replaced + more;
  return limit_.off() || (cost <= kFew && limit_.AlwaysAllows(cost));
}

void Act::Saw(uint64_t entries, absl::Time now) {
  Age(now);
  const uint64_t useful = entries - std::min<uint64_t>(entries, scrambled_.size());
  const bool on = last_ > absl::InfinitePast();
  peak_ = on ? std::max(peak_, useful) : useful;
}

void Act::Deleted(uint64_t count, absl::Time now) {
  Age(now);
  if (count == 0) return;
  deleted_ += count;
  Touch(now);
}

void Act::Replaced(const RelPath& path, absl::Time now) {
  Age(now);
  replaced_.insert(Key(path));
  Touch(now);
}

void Act::Kept(const Losses& losses, absl::Time now) {
  Age(now);
  kept_.deleted += losses.deleted;
  kept_.replaced += losses.replaced;
  Touch(now);
}

void Act::MadeScrambled(const RelPath& path, absl::Time now) {
  Age(now);
  if (scrambled_.size() < kMostScrambled) scrambled_.insert(Key(path));
  Touch(now);
}

void Act::Gone(const RelPath& path) { scrambled_.erase(Key(path)); }

bool Unrelated(const Content& before, const Content& now, Looks looks) {
  if (before.size == 0 || before.hash == now.hash) return false;
  if (looks == Looks::kBlank) return true;
  if (looks == Looks::kText || looks == Looks::kKnown) return false;
  absl::flat_hash_set<ChunkId> known;
  for (const ChunkRef& ref : before.refs) known.insert(ref.id);
  const bool shares = std::any_of(now.refs.begin(), now.refs.end(),
                                  [&](const ChunkRef& ref) { return known.contains(ref.id); });
  if (shares) return false;
  // Cut by another measure, equal parts would not show.
  const bool several = before.refs.size() > 1 && now.refs.size() > 1 &&
                       before.average_size == now.average_size && before.depth == now.depth;
  return several || looks == Looks::kScrambled;
}

}  // namespace filesync
