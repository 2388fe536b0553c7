#include "libs/paths/rel_path.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace filesync {
namespace {

RelPath P(std::string_view bytes) { return *RelPath::Parse(bytes); }

TEST(RelPath, TakesAnyLegalName) {
  for (const std::string_view name :
       {"a", "a/b", " ", "new\nline", "\xff\xfe", "..a", "a..", ".hidden", "-rf", "a\\b", "%41"}) {
    EXPECT_TRUE(RelPath::Parse(name).ok()) << name;
  }
  EXPECT_TRUE(RelPath::Parse(std::string(255, 'x')).ok());
  EXPECT_TRUE(RelPath::Parse("")->IsRoot());
}

TEST(RelPath, RefusesWhatIsNoPathBelowTheRoot) {
  for (const std::string_view path :
       {"/", "/a", "a/", "a//b", ".", "..", "a/..", "a/./b", "../a"}) {
    EXPECT_FALSE(RelPath::Parse(path).ok()) << path;
  }
  EXPECT_FALSE(RelPath::Parse(std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(RelPath::Parse(std::string(256, 'x')).ok());
  std::string deep = "a";
  for (int i = 0; i < 128; ++i) deep += "/a";
  EXPECT_FALSE(RelPath::Parse(deep).ok());
}

TEST(RelPath, RefusesTheAgentsOwnNameInEverySpelling) {
  for (const std::string_view name :
       {".syncagent", ".SyncAgent", ".SYNCAGENT", ".sync\u200bagent", "\u2060.syncagent",
        ".\uff53yncagent", ".syncagent.", ".syncagent ", ".\u017fyncagent"}) {
    EXPECT_TRUE(RelPath::IsReservedName(name)) << name;
    EXPECT_FALSE(RelPath::Parse(name).ok()) << name;
    EXPECT_FALSE(RelPath::Parse(std::string("d/") + std::string(name)).ok()) << name;
  }
  EXPECT_FALSE(RelPath::IsReservedName(".syncagents"));
  EXPECT_FALSE(RelPath::IsReservedName("syncagent"));
}

TEST(RelPath, KnowsItsParts) {
  EXPECT_EQ(P("a/b/c").Name(), "c");
  EXPECT_EQ(P("a/b/c").Parent(), P("a/b"));
  EXPECT_TRUE(P("a").Parent().IsRoot());
  EXPECT_EQ(P("a/b/c").Depth(), 3u);
  EXPECT_TRUE(P("a/b").IsAtOrBelow(P("a")));
  EXPECT_FALSE(P("ab").IsAtOrBelow(P("a")));
  EXPECT_TRUE(P("ab").IsAtOrBelow(RelPath()));
  EXPECT_EQ(P("a/b/c").Rebased(P("a"), P("x/y")), P("x/y/b/c"));
  EXPECT_EQ(P("a").Rebased(P("a"), P("x")), P("x"));
}

TEST(RelPath, SortsAsADepthFirstWalk) {
  std::vector<RelPath> paths = {P("a.b"), P("a/b"), P("a"), P("a/b/c"), P("a!"), P("b")};
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(paths, (std::vector<RelPath>{P("a"), P("a/b"), P("a/b/c"), P("a!"), P("a.b"), P("b")}));
}

TEST(RelPath, SortsByWhereLongPathsDiffer) {
  const std::string same = "a/long/path/that/many/have/in/common";
  for (size_t length = 1; length <= same.size(); ++length) {
    if (same[length - 1] == '/') continue;
    const RelPath path = P(same.substr(0, length));
    EXPECT_LT(path, P(path.bytes() + "/x"));
    EXPECT_LT(P(path.bytes() + "/x"), P(path.bytes() + "!x"));
    EXPECT_LT(P(path.bytes() + "!x"), P(path.bytes() + "\xff"));
    EXPECT_EQ(path <=> P(path.bytes()), std::strong_ordering::equal);
  }
}

TEST(RelPath, IsReadableAndHarmlessForPeople) {
  EXPECT_EQ(P("käse/東京").ForPeople(), "käse/東京");
  EXPECT_EQ(P("a\x1b[31m\n%").ForPeople(), "a%1B[31m%0A%25");
  EXPECT_EQ(P("\xff\u202e").ForPeople(), "%FF%E2%80%AE");
  EXPECT_FALSE(RelPath::ParseForPeople("%4").ok());
  EXPECT_FALSE(RelPath::ParseForPeople("%zz").ok());
}

RC_GTEST_PROP(RelPathProperty, AnyBytesAreRefusedOrRoundTrip, (const std::string& bytes)) {
  const absl::StatusOr<RelPath> path = RelPath::Parse(bytes);
  if (!path.ok()) return;
  RC_ASSERT(path->bytes() == bytes);
  RC_ASSERT(*RelPath::FromSortKey(path->SortKey()) == *path);
  RC_ASSERT(*RelPath::ParseForPeople(path->ForPeople()) == *path);
}

RC_GTEST_PROP(RelPathProperty, OrdersAsItsKeys, (const std::string& a, const std::string& b)) {
  const absl::StatusOr<RelPath> x = RelPath::Parse(a);
  const absl::StatusOr<RelPath> y = RelPath::Parse(b);
  if (!x.ok() || !y.ok()) return;
  RC_ASSERT((*x < *y) == (x->SortKey() < y->SortKey()));
}

}  // namespace
}  // namespace filesync
