#include "libs/reconcile/conflict_policies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace filesync {
namespace {

ConflictPolicy For(const ConflictPolicies& policies, std::string_view path) {
  return policies.For(*RelPath::Parse(path));
}

TEST(ConflictPoliciesTest, KeepsBothUnlessToldOtherwise) {
  ConflictPolicies policies;
  EXPECT_EQ(ConflictPolicy::kKeepBoth, For(policies, "a"));
  ASSERT_TRUE(policies.Add("NEWEST").ok());
  EXPECT_EQ(ConflictPolicy::kNewest, For(policies, "a"));
}

TEST(ConflictPoliciesTest, TheLastPatternThatMatchesDecides) {
  ConflictPolicies policies;
  ASSERT_TRUE(policies.Add("*.db=keep-local").ok());
  ASSERT_TRUE(policies.Add("/src=manual").ok());
  ASSERT_TRUE(policies.Add("src/a=b.db=newest").ok());
  ASSERT_TRUE(policies.Add("keep-remote").ok());
  EXPECT_EQ(ConflictPolicy::kKeepLocal, For(policies, "deep/down/x.db"));
  EXPECT_EQ(ConflictPolicy::kManual, For(policies, "src/x.db"));
  EXPECT_EQ(ConflictPolicy::kManual, For(policies, "src/deep/x"));
  EXPECT_EQ(ConflictPolicy::kNewest, For(policies, "src/a=b.db"));
  EXPECT_EQ(ConflictPolicy::kKeepRemote, For(policies, "deep/src/x"));
}

TEST(ConflictPoliciesTest, SaysWhatWasExpected) {
  ConflictPolicies policies;
  EXPECT_THAT(std::string(policies.Add("ours").message()), testing::HasSubstr("keep-both"));
  EXPECT_THAT(std::string(policies.Add("*.db=").message()), testing::HasSubstr("keep-both"));
  EXPECT_THAT(std::string(policies.Add("=newest").message()), testing::HasSubstr("no pattern"));
  EXPECT_THAT(std::string(policies.Add("!*.db=newest").message()),
              testing::HasSubstr("no pattern"));
  EXPECT_EQ(ConflictPolicy::kKeepBoth, For(policies, "x.db"));
}

}  // namespace
}  // namespace filesync
