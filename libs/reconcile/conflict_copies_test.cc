#include "libs/reconcile/conflict_copies.h"

#include <gtest/gtest.h>

#include "libs/reconcile/reconcile.h"

namespace filesync {
namespace {

RelPath Path(std::string_view text) { return *RelPath::Parse(text); }

TEST(ConflictCopiesTest, AConflictCopysNameTellsWhoseItIs) {
  for (const char* name : {"plan.txt", "dir/plan.tar.gz", "Makefile", ".profile", "a b.c"}) {
    for (int attempt : {0, 3}) {
      const RelPath copy = ConflictCopyPath(Path(name), 1'700'000'000, "laptop-2", attempt);
      const auto parsed = ParseConflictCopyPath(copy);
      ASSERT_TRUE(parsed.has_value()) << copy.bytes();
      EXPECT_EQ(parsed->original, Path(name));
      EXPECT_EQ(parsed->agent, attempt == 0 ? "laptop-2" : "laptop-2-3");
    }
  }
}

TEST(ConflictCopiesTest, ACopyOfACopyIsTheCopysCopy) {
  const RelPath first = ConflictCopyPath(Path("d/x.txt"), 1'700'000'000, "A", 0);
  const RelPath second = ConflictCopyPath(first, 1'700'000'000, "B", 0);
  const auto parsed = ParseConflictCopyPath(second);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->original, first);
  EXPECT_EQ(parsed->agent, "B");
}

TEST(ConflictCopiesTest, OtherNamesAreNone) {
  for (const char* name :
       {"plan.txt", "plan.conflict.txt", "plan.conflict-2026-A.txt",
        "plan.conflict-20261121-101010.txt", "plan.conflict-20261121-101010-.txt",
        "plan.conflict-20261121-1010x0-A.txt", "plan.conflict-20261121-101010-a b.txt",
        ".conflict-20261121-101010-A", "d.conflict-20261121-101010-A/x"}) {
    EXPECT_FALSE(ParseConflictCopyPath(Path(name)).has_value()) << name;
  }
}

}  // namespace
}  // namespace filesync
