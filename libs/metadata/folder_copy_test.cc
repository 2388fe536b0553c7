#include "libs/metadata/folder_copy.h"

#include <gtest/gtest.h>

#include "libs/chunking/fast_cdc.h"

namespace filesync {
namespace {

using Kind = ChangeOutcome::Kind;

Entry Live(const char* path, EntryType type, uint64_t version = 0) {
  Entry entry;
  entry.path = *RelPath::Parse(path);
  entry.type = type;
  entry.version = version;
  entry.mode = 0644;
  if (type == EntryType::kFile) {
    entry.content.average_size = ChunkSizes::ForFileSize(5, 0).average;
    entry.content.size = 5;
    entry.content.refs = {{*ChunkId::FromBytes(std::string(32, path[0])), 5}};
  }
  return entry;
}

Change Set(Entry entry, uint64_t base) {
  Change change;
  change.entry = std::move(entry);
  change.base_version = base;
  return change;
}

TEST(FolderCopyTest, AnswersAsTheServerWould) {
  FolderCopy copy;
  ASSERT_TRUE(copy.Load({Live("d", EntryType::kDirectory, 3), Live("d/f", EntryType::kFile, 7),
                         Live("gone", EntryType::kTombstone, 8)},
                        9)
                  .ok());
  Entry edited = Live("d/f", EntryType::kFile);
  edited.mtime_ns = 1;
  const auto first =
      copy.Commit({Set(edited, 7), Set(Live("gone", EntryType::kFile), 0),
                   Set(Live("x/y", EntryType::kFile), 0), Set(Live("e", EntryType::kTombstone), 3)},
                  0);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->outcomes[0].kind, Kind::kAccepted);
  EXPECT_EQ(first->outcomes[0].version, 10);
  EXPECT_EQ(first->outcomes[1].version, 11);
  EXPECT_EQ(first->outcomes[2].reason, RejectReason::kParentMissing);
  EXPECT_EQ(first->outcomes[3].kind, Kind::kAccepted);
  EXPECT_EQ(copy.head(), 11);
  const auto occupied = copy.Commit({Set(Live("d", EntryType::kTombstone), 3)}, 0);
  ASSERT_TRUE(occupied.ok()) << occupied.status();
  EXPECT_EQ(occupied->outcomes[0].reason, RejectReason::kNotEmpty);

  edited.mtime_ns = 2;
  const auto second = copy.Commit({Set(edited, 7)}, 0);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->outcomes[0].kind, Kind::kSuperseded);
  EXPECT_EQ(second->outcomes[0].current->version, 10);
  EXPECT_EQ(second->outcomes[0].current->mtime_ns, 1);

  // Already so: no new version.
  edited.mtime_ns = 1;
  const auto third = copy.Commit({Set(edited, 1)}, 0);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->outcomes[0].version, 10);
  EXPECT_EQ(copy.head(), 11);
}

TEST(FolderCopyTest, ContentOfLongListsCountsAsStored) {
  FolderCopy copy;
  Entry large = Live("large", EntryType::kFile);
  large.content.depth = 1;
  large.content.size = 1 << 30;
  const auto result = copy.Commit({Set(large, 0)}, 0);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outcomes[0].kind, Kind::kAccepted) << result->outcomes[0].message;
}

}  // namespace
}  // namespace filesync
