// Owners and extended attributes of the local directory, on each file system that takes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "libs/base/status.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

using testing::HasSubstr;

Attributes With(Xattrs xattrs) {
  return {nullptr, std::make_shared<const Xattrs>(std::move(xattrs))};
}

class AttributesTest : public testing::TestWithParam<std::string> {
 protected:
  AttributesTest() : tree_(GetParam()) {
    location_ = LocalDirectory::Open(tree_.path(), &clock_, {true, true}).value();
  }
  void SetUp() override {
    tree_.Write("file", "x");
    if (!Set("file", "user.probe", "")) GTEST_SKIP() << "no extended attributes here";
    removexattr(tree_.At("file").c_str(), "user.probe");
  }
  bool Set(const char* name, const char* xattr, const std::string& value) {
    return setxattr(tree_.At(name).c_str(), xattr, value.data(), value.size(), 0) == 0;
  }
  Xattrs Seen(const char* name) {
    const LocalEntry entry = Present(*location_, name);
    return entry.attributes.xattrs == nullptr ? Xattrs{{"unknown", ""}} : *entry.attributes.xattrs;
  }

  SimulatedClock clock_{absl::Now()};
  const TemporaryTree tree_;
  std::unique_ptr<LocalDirectory> location_;
};

INSTANTIATE_TEST_SUITE_P(On, AttributesTest, testing::ValuesIn(TestBases()),
                         [](const auto& base) { return "Base" + std::to_string(base.index); });

TEST_P(AttributesTest, AreSeenInEveryWay) {
  tree_.Mkdir("d");
  ASSERT_TRUE(Set("d", "user.d", "1"));
  ASSERT_TRUE(Set("file", "user.a", std::string("\0b", 2)));
  (void)Set("file", "trusted.not", "carried");
  const Xattrs expected = {{"user.a", std::string("\0b", 2)}};
  EXPECT_EQ(Seen("file"), expected);
  EXPECT_EQ(Seen("d"), (Xattrs{{"user.d", "1"}}));
  const auto listing = location_->List(RelPath());
  ASSERT_TRUE(listing.ok());
  for (const LocalEntry& entry : listing->entries) {
    EXPECT_EQ(*entry.attributes.xattrs, Seen(entry.path.bytes().c_str()));
    EXPECT_EQ(entry.attributes.owner->uid, geteuid());
  }
  EXPECT_EQ(*(*location_->Open(P("file")))->LookAtAttributes().xattrs, expected);
}

TEST_P(AttributesTest, AStagedFileIsInstalledWithThem) {
  const auto staged = location_->Stage(P("staged"), 0);
  ASSERT_TRUE((*staged)->Append("x").ok());
  Attributes wanted = With({{"user.a", "1"}, {"trusted.never", "x"}, {"user.empty", ""}});
  wanted.owner = std::make_shared<const Owner>(Owner{"", "", geteuid(), getegid()});
  const AttributeLoss loss = (*staged)->SetAttributes(wanted);
  EXPECT_TRUE(loss.owner.ok() && loss.xattrs.ok()) << loss.xattrs;
  ASSERT_TRUE((*staged)->SetMetadata(0400, 1).ok());
  const auto installed = location_->InstallFile(**staged, P("new"), std::nullopt);
  ASSERT_TRUE(installed.ok());
  const Xattrs expected = {{"user.a", "1"}, {"user.empty", ""}};
  EXPECT_EQ(Seen("new"), expected);
  EXPECT_EQ(*installed->now.attributes.xattrs, expected);
  EXPECT_EQ(installed->now.mode, 0400U);
  EXPECT_EQ(installed->fingerprint, Present(*location_, "new").fingerprint);
}

TEST_P(AttributesTest, AreSetOnWhatStandsThere) {
  ASSERT_TRUE(Set("file", "user.old", "1"));
  tree_.Chmod("file", 0400);
  const LocalEntry before = Present(*location_, "file");
  const auto set = location_->SetAttributes(P("file"), before.fingerprint, With({{"user.a", "1"}}));
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->kind, ApplyKind::kApplied);
  EXPECT_TRUE(set->loss.xattrs.ok()) << set->loss.xattrs;
  EXPECT_EQ(Seen("file"), (Xattrs{{"user.a", "1"}}));
  EXPECT_EQ(tree_.ModeOf("file"), 0400U);
  EXPECT_EQ(set->fingerprint, Present(*location_, "file").fingerprint);
  const auto stale = location_->SetAttributes(P("file"), before.fingerprint, With({}));
  ASSERT_TRUE(stale.ok());
  EXPECT_EQ(stale->kind, ApplyKind::kChanged);
  EXPECT_EQ(Seen("file"), (Xattrs{{"user.a", "1"}}));
}

TEST_P(AttributesTest, WhatAnOrdinaryUserMayNotDoIsTold) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  EXPECT_TRUE(PassesInChild([&] {
    chmod(tree_.path().c_str(), 0777);
    TemporaryTree own(GetParam());
    chmod(own.path().c_str(), 0777);
    BecomeNobody();
    const auto location = LocalDirectory::Open(own.path(), &clock_, {true, true});
    ASSERT_TRUE(location.ok()) << Describe(location.status());
    const auto staged = (*location)->Stage(P("staged"), 0);
    Attributes wanted = With({{"user.a", "1"}, {"security.capability", "nonsense"}});
    wanted.owner = std::make_shared<const Owner>(Owner{"", "", 0, 0});
    const AttributeLoss loss = (*staged)->SetAttributes(wanted);
    EXPECT_THAT(Describe(loss.owner), HasSubstr("chown"));
    EXPECT_THAT(Describe(loss.xattrs), HasSubstr("security.capability"));
    ASSERT_TRUE((*staged)->SetMetadata(0600, 1).ok());
    const auto installed = (*location)->InstallFile(**staged, P("file"), std::nullopt);
    ASSERT_TRUE(installed.ok());
    EXPECT_EQ(*installed->now.attributes.xattrs, (Xattrs{{"user.a", "1"}}));
    EXPECT_EQ(installed->now.attributes.owner->uid, geteuid());
  }));
}

TEST_P(AttributesTest, ModeAndTimeOfAnothersFileStayAndThatIsTold) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  EXPECT_TRUE(PassesInChild([&] {
    const TemporaryTree own(GetParam());
    chmod(own.path().c_str(), 0777);
    own.Write("theirs", "x");
    BecomeNobody();
    const auto location = LocalDirectory::Open(own.path(), &clock_);
    ASSERT_TRUE(location.ok()) << Describe(location.status());
    const LocalEntry before = Present(**location, "theirs");
    const auto set = (*location)->SetMetadata(P("theirs"), before.fingerprint, 0700, 5);
    ASSERT_TRUE(set.ok()) << Describe(set.status());
    EXPECT_EQ(set->kind, ApplyKind::kApplied);
    EXPECT_FALSE(set->loss.mode.ok());
    EXPECT_EQ(set->now.mode, before.mode);
    EXPECT_EQ(set->fingerprint, before.fingerprint);
  }));
}

TEST_P(AttributesTest, MoreThanIsCarriedIsSaid) {
  for (size_t i = 0; i <= kMaxXattrs; ++i) {
    if (!Set("file", ("user." + std::to_string(i)).c_str(), "")) GTEST_SKIP() << "no room for them";
  }
  const LocalEntry entry = Present(*location_, "file");
  EXPECT_EQ(entry.attributes.xattrs, nullptr);
  EXPECT_THAT(entry.untold, HasSubstr("at most 128"));
}

TEST_P(AttributesTest, NothingIsLookedAtUnlessAsked) {
  ASSERT_TRUE(Set("file", "user.a", "1"));
  location_.reset();
  location_ = OpenTree(tree_, &clock_);
  const LocalEntry entry = Present(*location_, "file");
  EXPECT_FALSE(entry.attributes.SaySomething());
  const auto set = location_->SetAttributes(P("file"), entry.fingerprint, With({}));
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(getxattr(tree_.At("file").c_str(), "user.a", nullptr, 0), 1);
}

}  // namespace
}  // namespace filesync
