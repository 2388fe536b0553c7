#include "libs/model/attributes.h"

#include <gtest/gtest.h>

#include "libs/model/entry.h"

namespace filesync {
namespace {

std::shared_ptr<const Owner> Named(const std::string& user, uint32_t uid,
                                   const std::string& group = "staff", uint32_t gid = 50) {
  return std::make_shared<const Owner>(Owner{user, group, uid, gid});
}
std::shared_ptr<const Xattrs> With(Xattrs xattrs) {
  return std::make_shared<const Xattrs>(std::move(xattrs));
}

TEST(AttributesTest, OwnersAreTheSameByNameElseById) {
  EXPECT_TRUE(SameOwner(*Named("ann", 1000), *Named("ann", 1005)));
  EXPECT_FALSE(SameOwner(*Named("ann", 1000), *Named("bob", 1000)));
  EXPECT_TRUE(SameOwner(*Named("ann", 1000), *Named("", 1000)));
  EXPECT_FALSE(SameOwner(*Named("ann", 1000), *Named("", 1001)));
  EXPECT_FALSE(SameOwner(*Named("ann", 1, "x", 1), *Named("ann", 1, "y", 1)));
}

TEST(AttributesTest, WhatSaysNothingIsNotTheSameAsNone) {
  const Attributes nothing;
  const Attributes none{nullptr, With({})};
  EXPECT_FALSE(SameAttributes(nothing, none));
  EXPECT_TRUE(AgreeingAttributes(nothing, none));
  EXPECT_TRUE(SaysMore(none, nothing));
  EXPECT_FALSE(SaysMore(nothing, none));
  Entry a, b;
  a.type = b.type = EntryType::kDirectory;
  b.attributes = none;
  EXPECT_FALSE(EqualState(a, b));
  a.attributes = none;
  EXPECT_TRUE(EqualState(a, b));
}

TEST(AttributesTest, WhatCouldNotBeStoredIsPassedOn) {
  const Attributes agreed{Named("ann", 1000),
                          With({{"user.a", "1"}, {"security.capability", "c"}})};
  // Here all files are the agent's, and capabilities can't be set.
  const Attributes here{Named("agent", 7, "agents", 7), With({{"user.a", "1"}})};
  EXPECT_TRUE(SameAttributes(CarryOver(agreed, here, here), agreed));
  // An agent that does not look at them.
  EXPECT_TRUE(SameAttributes(CarryOver(agreed, Attributes(), Attributes()), agreed));
  EXPECT_TRUE(SameAttributes(CarryOver(agreed, here, Attributes()), agreed));
  // One that begins to.
  EXPECT_TRUE(SameAttributes(CarryOver(agreed, Attributes(), here), agreed));
}

TEST(AttributesTest, WhatChangedHereGoesOnPartByPart) {
  const Attributes agreed{Named("ann", 1000),
                          With({{"user.a", "1"}, {"security.capability", "c"}})};
  const Attributes before{Named("agent", 7, "agents", 7), With({{"user.a", "1"}})};
  const Attributes now{Named("agent", 7, "friends", 8), With({{"user.b", "2"}})};
  const Attributes carried = CarryOver(agreed, before, now);
  EXPECT_EQ(carried.owner->user, "ann");
  EXPECT_EQ(carried.owner->group, "friends");
  EXPECT_EQ(*carried.xattrs, (Xattrs{{"security.capability", "c"}, {"user.b", "2"}}));
}

TEST(AttributesTest, NobodysAttributesAreClaimedByWhoSeesThemFirstOrChangesThem) {
  const Attributes here{Named("ann", 1000), With({})};
  EXPECT_TRUE(SameAttributes(CarryOver(Attributes(), Attributes(), here), here));
  // What arrived here without an owner is not claimed for the agent's.
  EXPECT_FALSE(CarryOver(Attributes(), here, here).SaySomething());
  const Attributes changed{Named("bob", 1001), With({})};
  const Attributes carried = CarryOver(Attributes(), here, changed);
  EXPECT_EQ(carried.owner->user, "bob");
  EXPECT_EQ(carried.xattrs, nullptr);
}

TEST(AttributesTest, LimitsHold) {
  Attributes attributes;
  EXPECT_TRUE(CheckAttributes(attributes).ok());
  attributes.xattrs = With({{"user.a", std::string(kMaxXattrBytes - 6, 'x')}});
  EXPECT_TRUE(CheckAttributes(attributes).ok());
  attributes.xattrs = With({{"user.a", std::string(kMaxXattrBytes - 5, 'x')}});
  EXPECT_FALSE(CheckAttributes(attributes).ok());
  Xattrs many;
  for (size_t i = 0; i <= kMaxXattrs; ++i) many["user." + std::to_string(i)] = "";
  attributes.xattrs = With(many);
  EXPECT_FALSE(CheckAttributes(attributes).ok());
  attributes.xattrs = With({{"", ""}});
  EXPECT_FALSE(CheckAttributes(attributes).ok());
  attributes.xattrs = nullptr;
  attributes.owner = Named(std::string(256, 'n'), 1);
  EXPECT_FALSE(CheckAttributes(attributes).ok());
}

TEST(AttributesTest, OnlyWhatBelongsToTheFileTravels) {
  for (const char* name : {"user.a", "user.DOSATTRIB", "system.posix_acl_access",
                           "system.posix_acl_default", "security.capability"}) {
    EXPECT_TRUE(IsCarriedXattr(name)) << name;
  }
  for (const char* name :
       {"user.", "trusted.overlay.opaque", "security.selinux", "system.other", "x"}) {
    EXPECT_FALSE(IsCarriedXattr(name)) << name;
  }
}

TEST(PreserveTest, IsReadAsPeopleWriteIt) {
  EXPECT_FALSE(Preserve::Parse("")->any());
  EXPECT_FALSE(Preserve::Parse("none")->any());
  EXPECT_TRUE(Preserve::Parse("owner")->owner);
  EXPECT_FALSE(Preserve::Parse("owner")->xattrs);
  EXPECT_TRUE(Preserve::Parse("xattr,owner")->owner);
  EXPECT_TRUE(Preserve::Parse("xattr,owner")->xattrs);
  for (const char* wrong : {"xattrs", "owner,", ",", "owner;xattr", "all"}) {
    EXPECT_FALSE(Preserve::Parse(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace filesync
