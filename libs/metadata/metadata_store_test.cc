#include "libs/metadata/metadata_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "libs/content/hasher.h"
#include "libs/kv/faulty_store.h"
#include "libs/metadata/keys.h"
#include "libs/metadata/recent_changes.h"

namespace filesync {
namespace {

using Kind = ChangeOutcome::Kind;

RelPath P(std::string_view bytes) { return *RelPath::Parse(bytes); }

class MetadataStoreTest : public testing::Test {
 protected:
  MetadataStoreTest() : kv_(NewMemoryKvStore(keys::kTables)) { Open(); }

  void Open() {
    auto opened = OpenMetadataStore(kv_.get(), &clock_, {.version_block = 100});
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    if (store_->ListFolders().empty()) {
      ASSERT_TRUE(store_->CreateFolder("f").ok());
    }
    folder_ = store_->GetFolder("f")->id;
  }

  static Change Directory(std::string_view path, uint64_t base = 0, uint32_t mode = 0755) {
    Change change;
    change.entry.path = P(path);
    change.entry.type = EntryType::kDirectory;
    change.entry.mode = mode;
    change.base_version = base;
    return change;
  }
  // A file without chunks; its mtime tells states apart.
  static Change File(std::string_view path, uint64_t base = 0, int64_t mtime = 1) {
    Change change;
    change.entry.path = P(path);
    change.entry.type = EntryType::kFile;
    change.entry.mode = 0644;
    change.entry.mtime_ns = mtime;
    change.entry.content.average_size = 64 << 10;
    change.entry.content.hash = ContentHasher().Finish();
    change.base_version = base;
    return change;
  }
  static Change Link(std::string_view path, uint64_t base, std::string target) {
    Change change;
    change.entry.path = P(path);
    change.entry.type = EntryType::kSymlink;
    change.entry.symlink_target = std::move(target);
    change.base_version = base;
    return change;
  }
  static Change Deletion(std::string_view path, uint64_t base) {
    Change change;
    change.entry.path = P(path);
    change.base_version = base;
    return change;
  }

  absl::StatusOr<CommitResult> TryCommit(std::vector<Change> changes, uint64_t batch,
                                         const std::string& agent = std::string(16, 'a')) {
    CommitRequest request;
    request.folder = folder_;
    request.agent_id = agent;
    request.batch = batch;
    request.changes = std::move(changes);
    return store_->Commit(request, [](const std::vector<ChunkId>&) {
      return absl::StatusOr<std::vector<std::string>>(absl::NotFoundError("no pieces"));
    });
  }
  std::vector<ChangeOutcome> Commit(std::vector<Change> changes) {
    auto result = TryCommit(std::move(changes), ++batch_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->outcomes : std::vector<ChangeOutcome>();
  }

  SimulatedClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<KvStore> kv_;
  std::unique_ptr<MetadataStore> store_;
  FolderId folder_ = 0;
  uint64_t batch_ = 0;
};

TEST_F(MetadataStoreTest, CommitGivesConsecutiveVersionsAndPublishesThem) {
  uint64_t published = 0;
  store_->OnPublished([&](FolderId, uint64_t head) { published = head; });
  const auto outcomes = Commit({Directory("d"), File("d/x"), File("y")});
  EXPECT_EQ(outcomes[1].version, outcomes[0].version + 1);
  EXPECT_EQ(outcomes[2].version, outcomes[0].version + 2);
  EXPECT_EQ(published, outcomes[2].version);
  EXPECT_EQ(*store_->PublishedHead(folder_), published);
  EXPECT_EQ(store_->GetFolder("f")->live_entries, 3u);
}

// A full disk is a pause; of what else fails nobody knows what is on disk.
TEST_F(MetadataStoreTest, GoesOnAfterAFullDiskAndAfterNothingElse) {
  store_.reset();
  absl::Status failure;
  kv_ = NewFaultyKvStore(NewMemoryKvStore(keys::kTables), [&](const KvBatch&) { return failure; });
  Open();
  const uint64_t before = Commit({File("a")})[0].version;
  failure = absl::ResourceExhaustedError("full");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(absl::IsResourceExhausted(TryCommit({File("b")}, batch_ + 1).status()));
  }
  EXPECT_EQ(store_->GetFolder(folder_)->head_version, before);
  failure = absl::OkStatus();
  const std::vector<ChangeOutcome> after = Commit({File("b")});
  EXPECT_EQ(after[0].kind, Kind::kAccepted);
  // What was given out and not committed is not given out again.
  EXPECT_GT(after[0].version, before + 3);

  failure = absl::InternalError("EIO");
  EXPECT_FALSE(TryCommit({File("c")}, batch_ + 1).ok());
  failure = absl::OkStatus();
  EXPECT_FALSE(TryCommit({File("c")}, batch_ + 1).ok());
}

TEST_F(MetadataStoreTest, BaseVersionDecides) {
  const uint64_t first = Commit({File("x")})[0].version;
  const auto late = Commit({File("x", 0, 2)});
  EXPECT_EQ(late[0].kind, Kind::kSuperseded);
  EXPECT_EQ(late[0].current->version, first);
  EXPECT_EQ(Commit({File("x", first, 2)})[0].kind, Kind::kAccepted);
}

TEST_F(MetadataStoreTest, HistoryTellsWhatIsNoEdit) {
  const uint64_t v1 = Commit({Link("x", 0, "one")})[0].version;
  const uint64_t v2 = Commit({Link("x", v1, "two")})[0].version;
  const uint64_t v3 = Commit({Link("x", v2, "three")})[0].version;
  uint64_t v4 = Commit({Link("x", v3, "four")})[0].version;
  const std::string other(16, 'b');
  const auto content_of = [&](const Change& change) {
    const auto result = TryCommit({change}, ++batch_, other);
    EXPECT_EQ(result->outcomes[0].kind, Kind::kSuperseded);
    EXPECT_EQ(result->outcomes[0].current->version, v4);
    return result->outcomes[0].content_of_version;
  };
  // Who never had it made it.
  EXPECT_EQ(content_of(Link("x", v1, "two")), 0U);
  // Who had applied up to v2, and names v1 now, was put back, and edited nothing.
  for (const uint64_t applied : {v2, v1}) {
    ASSERT_TRUE(store_->PutAgent({other, "other", folder_, {std::string(16, 'i'), applied}}).ok());
    EXPECT_EQ(content_of(Link("x", v1, "two")), v2);
  }
  EXPECT_EQ(content_of(Link("x", v1, "three")), 0U);
  // Nobody saves at the very nanosecond: it was installed, and not noted any more.
  Change timed = Link("x", v4, "timed");
  timed.entry.mtime_ns = 1'700'000'000'123'456'789;
  const uint64_t v5 = Commit({timed})[0].version;
  const uint64_t v6 = Commit({Link("x", v5, "six")})[0].version;
  timed.base_version = v1;
  const auto installed = TryCommit({timed}, ++batch_, other);
  EXPECT_EQ(installed->outcomes[0].content_of_version, v5);
  timed.base_version = 0;
  EXPECT_EQ(TryCommit({timed}, ++batch_, other)->outcomes[0].content_of_version, v5);
  ++timed.entry.mtime_ns;
  const auto saved = TryCommit({timed}, ++batch_, other);
  EXPECT_EQ(saved->outcomes[0].kind, Kind::kSuperseded);
  EXPECT_EQ(saved->outcomes[0].content_of_version, 0U);
  v4 = Commit({Link("x", v6, "four")})[0].version;
  // What is not newer than the base is gone back to on purpose; what never was is an edit.
  EXPECT_EQ(content_of(Link("x", v2, "one")), 0U);
  EXPECT_EQ(content_of(Link("x", v2, "two")), 0U);
  EXPECT_EQ(content_of(Link("x", v1, "five")), 0U);
  EXPECT_EQ(content_of(Link("x", 0, "one")), 0U);
  // The author had all of it. The answer is remembered as it was.
  EXPECT_EQ(Commit({Link("x", v1, "three")})[0].content_of_version, v3);
  const auto again = TryCommit({Link("x", v1, "three")}, batch_);
  ASSERT_TRUE(again.ok() && again->repeated);
  EXPECT_EQ(again->outcomes[0].content_of_version, v3);

  const uint64_t deleted = Commit({Deletion("x", v4)})[0].version;
  ASSERT_GT(deleted, v4);
  EXPECT_EQ(Commit({Link("x", v1, "four")})[0].content_of_version, v4);
  // Made again by who knows that nothing is there.
  EXPECT_EQ(Commit({Link("x", 0, "four")})[0].kind, Kind::kAccepted);
}

TEST_F(MetadataStoreTest, OneBatchReadsSoMuchHistoryAndNoMore) {
  std::vector<uint64_t> versions;
  for (int i = 0; i < 10'050; ++i) {
    const uint64_t base = versions.empty() ? 0 : versions.back();
    versions.push_back(Commit({Link("x", base, fmt::format("content {}", i))})[0].version);
  }
  const auto content_of = [&](int i) {
    return Commit({Link("x", versions[0], fmt::format("content {}", i))})[0].content_of_version;
  };
  EXPECT_EQ(content_of(9000), versions[9000]);
  EXPECT_EQ(content_of(10'040), 0U);
}

TEST_F(MetadataStoreTest, AttributesAreStoredAndCountAsAChange) {
  Change change = File("x");
  change.entry.attributes.owner = std::make_shared<const Owner>(Owner{"ann", "staff", 7, 8});
  const uint64_t first = Commit({change})[0].version;
  change.base_version = first;
  change.entry.attributes.xattrs = std::make_shared<const Xattrs>(Xattrs{{"user.a", "1"}});
  const auto changed = Commit({change});
  EXPECT_EQ(changed[0].kind, Kind::kAccepted);
  EXPECT_GT(changed[0].version, first);
  Open();
  const auto slice = store_->ChangesSince(folder_, 0, 10, 1 << 20);
  ASSERT_TRUE(slice.ok());
  ASSERT_EQ(slice->entries.size(), 1U);
  EXPECT_TRUE(SameAttributes(slice->entries[0].attributes, change.entry.attributes));
  // Who says nothing of them finds out about them first.
  EXPECT_EQ(Commit({File("x")})[0].kind, Kind::kSuperseded);
  change.entry.type = EntryType::kTombstone;
  change.entry.content = Content();
  change.base_version = changed[0].version;
  EXPECT_EQ(Commit({change})[0].kind, Kind::kRejected);
}

TEST_F(MetadataStoreTest, EqualStateNeedsNoVersion) {
  const uint64_t first = Commit({File("x")})[0].version;
  const auto same = Commit({File("x", 12345)});
  EXPECT_EQ(same[0].kind, Kind::kAccepted);
  EXPECT_EQ(same[0].version, first);
  EXPECT_EQ(Commit({Deletion("never", 77)})[0].kind, Kind::kAccepted);
  EXPECT_EQ(*store_->PublishedHead(folder_), first);
}

TEST_F(MetadataStoreTest, ABatchHasOneOutcomeForEver) {
  const auto once = TryCommit({File("x")}, 7);
  const uint64_t version = once->outcomes[0].version;
  batch_ = 7;
  Commit({File("x", version, 2)});
  const auto again = TryCommit({File("x")}, 7);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->outcomes[0].version, version);
  EXPECT_EQ(*store_->LastBatch(folder_, std::string(16, 'a')), 8u);
  EXPECT_TRUE(absl::IsFailedPrecondition(TryCommit({File("z")}, 3).status()));
}

TEST_F(MetadataStoreTest, ABatchNumberIsForOneContent) {
  const auto first = TryCommit({File("a"), File("b")}, 1);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(TryCommit({File("a"), File("b")}, 1)->repeated);
  for (const std::vector<Change>& other : {std::vector<Change>{File("a"), File("c")},
                                           {File("a"), File("b", 0, 2)},
                                           {File("a"), File("b", 1)},
                                           {File("a")},
                                           {File("b"), File("a")}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(TryCommit(other, 1).status()));
  }
}

TEST_F(MetadataStoreTest, TheTreeStaysValid) {
  const auto orphan = Commit({File("no/such/x")});
  EXPECT_EQ(orphan[0].reason, RejectReason::kParentMissing);
  const auto made = Commit({Directory("d"), File("d/x")});
  const auto full = Commit({Deletion("d", made[0].version)});
  EXPECT_EQ(full[0].reason, RejectReason::kNotEmpty);
  const auto file_over = Commit({File("d", made[0].version)});
  EXPECT_EQ(file_over[0].reason, RejectReason::kNotEmpty);
  const auto both = Commit({Deletion("d", made[0].version), Deletion("d/x", made[1].version)});
  EXPECT_EQ(both[0].kind, Kind::kAccepted);
  EXPECT_EQ(both[1].kind, Kind::kAccepted);
  // A refused parent takes its children along.
  Commit({File("p")});
  const auto cascade = Commit({Directory("p", 999), File("p/q"), File("p/r")});
  EXPECT_EQ(cascade[0].kind, Kind::kSuperseded);
  EXPECT_EQ(cascade[1].reason, RejectReason::kParentMissing);
}

TEST_F(MetadataStoreTest, MovesGoWholeOrNotAtAll) {
  const uint64_t version = Commit({File("a")})[0].version;
  Change gone = Deletion("a", version);
  gone.entry.moved_to = P("b");
  Change come = File("b");
  come.entry.moved_from = P("a");
  EXPECT_EQ(Commit({gone})[0].reason, RejectReason::kMalformed);
  Change stale = gone;
  stale.base_version = 999;
  const auto refused = Commit({stale, come});
  EXPECT_EQ(refused[0].kind, Kind::kSuperseded);
  EXPECT_EQ(refused[1].reason, RejectReason::kMovePartner);
  EXPECT_FALSE(store_->GetEntry(folder_, P("b")).ok());
  for (const ChangeOutcome& outcome : Commit({gone, come})) {
    EXPECT_EQ(outcome.kind, Kind::kAccepted);
  }
}

TEST_F(MetadataStoreTest, ChunksMustBeMembers) {
  Change change = File("x");
  const ChunkId id = HashChunk(ChunkKind::kData, "hello");
  change.entry.content.size = 5;
  change.entry.content.refs = {{id, 5}};
  const auto missing = Commit({change});
  EXPECT_EQ(missing[0].kind, Kind::kMissingChunks);
  EXPECT_THAT(missing[0].missing, testing::ElementsAre(id));
  const FolderId other = store_->CreateFolder("other")->id;
  ASSERT_TRUE(store_->AddMembers(other, {id}).ok());
  EXPECT_EQ(Commit({change})[0].kind, Kind::kMissingChunks) << "another folder's does not count";
  ASSERT_TRUE(store_->AddMembers(folder_, {id}).ok());
  EXPECT_EQ(Commit({change})[0].kind, Kind::kAccepted);
}

TEST_F(MetadataStoreTest, RefusesMalformedEntries) {
  Change mode = File("m");
  mode.entry.mode = 04755;
  Change target = File("t");
  target.entry.type = EntryType::kSymlink;
  target.entry.content = Content();
  Change sizes = File("s");
  sizes.entry.content.size = 3;
  Change root = File("r");
  root.entry.path = RelPath();
  for (const Change& change : {mode, target, sizes, root}) {
    EXPECT_EQ(Commit({change})[0].reason, RejectReason::kMalformed);
  }
  const auto twice = Commit({File("x"), File("x", 0, 2)});
  EXPECT_EQ(twice[1].reason, RejectReason::kMalformed);
}

TEST_F(MetadataStoreTest, ChangesNameEachPathOnceAtItsLatestVersion) {
  const uint64_t first = Commit({File("x"), File("y")})[0].version;
  const uint64_t last = Commit({File("x", first, 2)})[0].version;
  const auto all = store_->ChangesSince(folder_, 0, 100, 1 << 20);
  ASSERT_EQ(all->entries.size(), 2u);
  EXPECT_EQ(all->entries[1].path, P("x"));
  EXPECT_EQ(all->through, last);
  const auto some = store_->ChangesSince(folder_, 0, 1, 1 << 20);
  EXPECT_EQ(some->entries.size(), 1u);
  EXPECT_EQ(some->through, first + 1);
  EXPECT_FALSE(some->more_of_commit);
  const auto none = store_->ChangesSince(folder_, last, 100, 1 << 20);
  EXPECT_TRUE(none->entries.empty());
}

TEST_F(MetadataStoreTest, ASliceSaysWhenItsCommitGoesOn) {
  Commit({File("a"), File("b"), File("c")});
  EXPECT_TRUE(store_->ChangesSince(folder_, 0, 2, 1 << 20)->more_of_commit);
  EXPECT_FALSE(store_->ChangesSince(folder_, 0, 3, 1 << 20)->more_of_commit);
}

TEST_F(MetadataStoreTest, WhatIsLeftOutCountsAllTheSame) {
  Commit({File("a"), File("b"), File("c")});
  for (int opened = 0; opened < 2; ++opened) {
    const auto slice = store_->ChangesSince(
        folder_, 0, 2, 1 << 20, [](const Entry& entry) { return entry.path == P("a"); });
    ASSERT_EQ(slice->entries.size(), 1u);
    EXPECT_EQ(slice->entries[0].path, P("b"));
    EXPECT_EQ(slice->through, slice->entries[0].version);
    EXPECT_TRUE(slice->more_of_commit);
    Open();
  }
}

TEST_F(MetadataStoreTest, SlicesAreTheSameFromMemoryAndFromTheStore) {
  const auto first = Commit({Directory("d"), File("d/x"), File("y"), File("z")});
  Change link = File("link");
  link.entry.type = EntryType::kSymlink;
  link.entry.content = Content();
  link.entry.symlink_target = "y";
  Change owned = File("y", first[2].version, 7);
  owned.entry.attributes.owner = std::make_shared<const Owner>(Owner{"ann", "staff", 5, 6});
  Change gone = Deletion("z", first[3].version);
  gone.entry.moved_to = P("moved");
  Change moved = File("moved");
  moved.entry.moved_from = P("z");
  Commit({link, owned, gone, moved});
  Commit({File("d/x", first[1].version, 3)});
  const auto slices = [&] {
    std::vector<ChangeSlice> all;
    for (const uint64_t after : {uint64_t{0}, first[1].version, first[3].version}) {
      for (const size_t limit : {1, 3, 100}) {
        all.push_back(*store_->ChangesSince(folder_, after, limit, 1 << 20));
      }
    }
    return all;
  };
  const std::vector<ChangeSlice> memory = slices();
  Open();  // a new one remembers nothing
  const std::vector<ChangeSlice> stored = slices();
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(memory[i].through, stored[i].through);
    EXPECT_EQ(memory[i].more_of_commit, stored[i].more_of_commit);
    ASSERT_EQ(memory[i].entries.size(), stored[i].entries.size());
    for (size_t k = 0; k < stored[i].entries.size(); ++k) {
      const Entry& a = memory[i].entries[k];
      const Entry& b = stored[i].entries[k];
      EXPECT_TRUE(EqualState(a, b)) << b.path.ForPeople();
      EXPECT_EQ(a.path, b.path);
      EXPECT_EQ(a.version, b.version);
      EXPECT_EQ(a.author, b.author);
      EXPECT_EQ(a.committed_at_ns, b.committed_at_ns);
      EXPECT_EQ(a.moved_to, b.moved_to);
      EXPECT_EQ(a.moved_from, b.moved_from);
    }
  }
}

TEST(RecentChangesTest, FindsWhatIsRememberedAndForgetsTheOldest) {
  RecentChanges recent;
  uint64_t version = 0;
  for (int commit = 0; commit < 100; ++commit) {
    RecentCommit entries(1000);
    for (Entry& entry : entries) entry.version = ++version;
    ++version;  // another folder's
    recent.Add(std::move(entries));
  }
  RecentChanges::View all = recent.After(0);
  EXPECT_EQ(all.Find(1), nullptr);
  EXPECT_EQ(all.Find(version - 1)->version, version - 1);
  EXPECT_EQ(all.commit_last_version(), version - 1);
  EXPECT_EQ(all.Find(version), nullptr);
  RecentChanges::View last = recent.After(version - 2000);
  EXPECT_EQ(last.Find(version - 1002)->version, version - 1002);
  EXPECT_EQ(last.Find(version - 1001), nullptr) << "a gap";
  EXPECT_EQ(last.Find(version - 1000)->version, version - 1000);
  EXPECT_EQ(RecentChanges().After(0).Find(1), nullptr);
}

TEST_F(MetadataStoreTest, HistoryKeepsWhatWas) {
  uint64_t version = Commit({File("x", 0, 1)})[0].version;
  for (int64_t mtime = 2; mtime < 5; ++mtime) {
    version = Commit({File("x", version, mtime)})[0].version;
  }
  Commit({Deletion("x", version)});
  const auto history = store_->History(folder_, P("x"), 100);
  ASSERT_EQ(history->size(), 4u);
  EXPECT_EQ(history->front().entry.mtime_ns, 4);
  EXPECT_EQ(history->back().entry.mtime_ns, 1);
}

TEST_F(MetadataStoreTest, HistoryIsReadNewestFirstAndNoFurther) {
  uint64_t version = 0;
  for (int i = 0; i < 30; ++i) version = Commit({File("f", version, i + 1)})[0].version;
  Commit({File("f2"), File("e")});
  const auto newest = store_->History(folder_, P("f"), 3);
  ASSERT_TRUE(newest.ok());
  ASSERT_EQ(newest->size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ((*newest)[i].entry.mtime_ns, 29 - i);
  EXPECT_EQ(store_->History(folder_, P("f"), 100)->size(), 29u);
  EXPECT_TRUE(store_->History(folder_, P("g"), 100)->empty());
}

TEST_F(MetadataStoreTest, ListsByPrefixAndPage) {
  Commit({Directory("a"), File("a/x"), File("a/y"), File("a.b"), Directory("ab"), File("ab/z")});
  const auto below = store_->ListEntries(folder_, P("a"), std::nullopt, 100, false);
  ASSERT_EQ(below->size(), 3u);
  EXPECT_EQ((*below)[2].path, P("a/y"));
  const auto page = store_->ListEntries(folder_, RelPath(), P("a/x"), 2, false);
  EXPECT_EQ((*page)[0].path, P("a/y"));
  EXPECT_EQ((*page)[1].path, P("a.b"));
}

TEST_F(MetadataStoreTest, NoVersionIsGivenOutTwiceWhateverTheStop) {
  std::set<uint64_t> seen;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3; ++i) {
      const std::string path = std::to_string(round) + "-" + std::to_string(i);
      EXPECT_TRUE(seen.insert(Commit({File(path)})[0].version).second);
    }
    if (round % 2 == 0) {
      ASSERT_TRUE(store_->CloseCleanly().ok());
    }
    store_.reset();
    Open();
  }
  EXPECT_EQ(store_->Incarnations().size(), 6u);
}

TEST_F(MetadataStoreTest, AnIncarnationBeginsAfterWhatWasKept) {
  const uint64_t head = Commit({File("x")})[0].version;
  store_.reset();
  Open();
  EXPECT_EQ(store_->Incarnations().back().first_version, head + 1);
  // Unclean: what was reserved is passed over.
  EXPECT_GT(Commit({File("y")})[0].version, head + 100);
}

// Random commits against a model that knows only the rules.
TEST_F(MetadataStoreTest, RandomCommitsKeepTheTreeValid) {
  std::mt19937 random(1);
  const std::vector<std::string> names = {"a", "b", "a/c", "a/d", "b/c", "a/c/e", "b/c/f"};
  std::map<std::string, uint64_t> known;
  for (int step = 0; step < 2000; ++step) {
    std::vector<Change> changes;
    std::set<std::string> used;
    for (size_t n = random() % 3 + 1; n > 0; --n) {
      const std::string& name = names[random() % names.size()];
      if (!used.insert(name).second) continue;
      const uint64_t base = random() % 8 == 0 ? random() % 50 : known[name];
      switch (random() % 3) {
        case 0:
          changes.push_back(Directory(name, base, random() % 2 == 0 ? 0755 : 0700));
          break;
        case 1:
          changes.push_back(File(name, base, static_cast<int64_t>(random() % 1000)));
          break;
        default:
          changes.push_back(Deletion(name, base));
      }
    }
    const auto outcomes = Commit(changes);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const std::string path = changes[i].entry.path.bytes();
      if (outcomes[i].kind == Kind::kAccepted) known[path] = outcomes[i].version;
      if (outcomes[i].kind == Kind::kSuperseded) known[path] = outcomes[i].current->version;
    }
    std::map<std::string, EntryType> live;
    const auto entries = store_->ListEntries(folder_, RelPath(), std::nullopt, 1000, false);
    for (const Entry& entry : *entries) live[entry.path.bytes()] = entry.type;
    for (const auto& [path, type] : live) {
      const RelPath parent = P(path).Parent();
      if (parent.IsRoot()) continue;
      ASSERT_TRUE(live.contains(parent.bytes())) << path << " at step " << step;
      ASSERT_EQ(live[parent.bytes()], EntryType::kDirectory) << path << " at step " << step;
    }
    ASSERT_EQ(store_->GetFolder("f")->live_entries, live.size());
  }
}

}  // namespace
}  // namespace filesync
