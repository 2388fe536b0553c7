#include "libs/location/planned_directory.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

class PlannedDirectoryTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    tree_.Mkdir("d");
    tree_.Write("d/f", "content");
    tree_.Mkdir("d/sub");
    tree_.Symlink("nowhere", "d/sub/link");
    tree_.Write("top", "here");
    absl::StatusOr<std::unique_ptr<LocalDirectory>> inner =
        LocalDirectory::OpenToLook(tree_.path(), &clock_);
    ASSERT_TRUE(inner.ok()) << inner.status();
    planned_ = std::make_unique<PlannedDirectory>(*std::move(inner), &clock_);
  }
  void TearDown() override {
    // Whatever was planned.
    EXPECT_EQ(tree_.Names(""), (std::vector<std::string>{"d", "top"}));
    EXPECT_EQ(tree_.Names("d"), (std::vector<std::string>{"f", "sub"}));
    EXPECT_EQ(tree_.Read("d/f"), "content");
    EXPECT_EQ(tree_.Read("top"), "here");
  }

  std::vector<std::string> Listed(std::string_view directory) {
    const absl::StatusOr<Listing> listing = planned_->List(P(directory));
    if (!listing.ok()) return {"error"};
    std::vector<std::string> names;
    for (const LocalEntry& entry : listing->entries) names.emplace_back(entry.path.Name());
    return names;
  }
  Fingerprint FingerprintOf(std::string_view path) {
    return planned_->LookAt(P(path)).entry.fingerprint;
  }
  bool Absent(std::string_view path) {
    return planned_->LookAt(P(path)).presence == Look::Presence::kAbsent;
  }
  std::string Content(std::string_view path) {
    const absl::StatusOr<std::unique_ptr<LocalFile>> file = planned_->Open(P(path));
    if (!file.ok()) return "no file";
    std::string bytes(100, '\0');
    bytes.resize((*file)->ReadAt(0, bytes.data(), bytes.size()).value_or(0));
    return bytes;
  }
  ApplyKind Install(std::string_view path, uint64_t size, std::string_view bytes,
                    const std::optional<Fingerprint>& expected) {
    const auto staged = planned_->Stage(P("staged"), size);
    EXPECT_TRUE((*staged)->Append(bytes).ok());
    EXPECT_TRUE((*staged)->SetMetadata(0640, 77).ok());
    const auto result = planned_->InstallFile(**staged, P(path), expected);
    return result.ok() ? result->kind : ApplyKind::kNotEmpty;
  }

  RealClock clock_;
  TemporaryTree tree_{GetParam()};
  std::unique_ptr<PlannedDirectory> planned_;
};

TEST_P(PlannedDirectoryTest, WhatIsNotPlannedIsAsItIs) {
  EXPECT_EQ(Listed(""), (std::vector<std::string>{"d", "top"}));
  EXPECT_EQ(Content("d/f"), "content");
  EXPECT_TRUE(Absent("none"));
  EXPECT_TRUE(planned_->CheckRoot().ok());
  EXPECT_EQ(planned_->StateDirectoryPath(), "");
}

TEST_P(PlannedDirectoryTest, AnInstalledFileIsThereWithItsMetadata) {
  EXPECT_EQ(Install("new", 1000, "", std::nullopt), ApplyKind::kApplied);
  const Look look = planned_->LookAt(P("new"));
  ASSERT_EQ(look.presence, Look::Presence::kPresent);
  EXPECT_EQ(look.entry.mode, 0640);
  EXPECT_EQ(look.entry.fingerprint.mtime_ns, 77);
  EXPECT_EQ(look.entry.fingerprint.size, 1000);
  EXPECT_EQ(Listed(""), (std::vector<std::string>{"d", "new", "top"}));
  // Its bytes were not fetched.
  EXPECT_TRUE(absl::IsFailedPrecondition(planned_->Open(P("new")).status()));
  EXPECT_EQ(Install("rules", 5, "*.tmp", std::nullopt), ApplyKind::kApplied);
  EXPECT_EQ(Content("rules"), "*.tmp");
}

TEST_P(PlannedDirectoryTest, OnlyWhatIsExpectedIsReplaced) {
  EXPECT_EQ(Install("top", 1, "", std::nullopt), ApplyKind::kChanged);
  Fingerprint other = FingerprintOf("top");
  ++other.mtime_ns;
  EXPECT_EQ(Install("top", 1, "", other), ApplyKind::kChanged);
  EXPECT_EQ(Install("none", 1, "", other), ApplyKind::kChanged);
  EXPECT_EQ(Install("top", 1, "", FingerprintOf("top")), ApplyKind::kApplied);
  EXPECT_TRUE(ErrnoOf(planned_->InstallSymlink(P("top/below"), "x", 0, std::nullopt).status()) ==
              ENOTDIR);
  EXPECT_TRUE(
      absl::IsNotFound(planned_->InstallSymlink(P("none/x"), "x", 0, std::nullopt).status()));
}

TEST_P(PlannedDirectoryTest, ADirectoryGoesWhenItIsEmpty) {
  EXPECT_EQ(planned_->Remove(P("d"), FingerprintOf("d"))->kind, ApplyKind::kNotEmpty);
  EXPECT_EQ(planned_->Remove(P("d/f"), FingerprintOf("top"))->kind, ApplyKind::kChanged);
  for (const char* path : {"d/f", "d/sub/link", "d/sub", "d"}) {
    EXPECT_EQ(planned_->Remove(P(path), FingerprintOf(path))->kind, ApplyKind::kApplied) << path;
    EXPECT_TRUE(Absent(path));
  }
  EXPECT_EQ(Listed(""), std::vector<std::string>{"top"});
  EXPECT_EQ(Listed("d"), std::vector<std::string>{"error"});
  // Its name may be taken by a file, and then again by a directory, which is empty.
  EXPECT_EQ(Install("d", 0, "", std::nullopt), ApplyKind::kApplied);
  EXPECT_TRUE(Absent("d/f"));
  EXPECT_EQ(planned_->Remove(P("d"), FingerprintOf("d"))->kind, ApplyKind::kApplied);
  EXPECT_EQ(planned_->MakeDirectory(P("d"), 0700)->kind, ApplyKind::kApplied);
  EXPECT_EQ(Listed("d"), std::vector<std::string>{});
  EXPECT_EQ(FingerprintOf("d").device, planned_->identity().device);
}

TEST_P(PlannedDirectoryTest, ADirectoryMovesWithAllThatIsInIt) {
  const Fingerprint file = FingerprintOf("d/f");
  EXPECT_EQ(planned_->Move(P("d"), FingerprintOf("d"), P("top"))->kind, ApplyKind::kChanged);
  EXPECT_EQ(planned_->Move(P("d"), FingerprintOf("d"), P("e"))->kind, ApplyKind::kApplied);
  EXPECT_EQ(Listed(""), (std::vector<std::string>{"e", "top"}));
  EXPECT_EQ(Listed("e"), (std::vector<std::string>{"f", "sub"}));
  EXPECT_EQ(Listed("e/sub"), std::vector<std::string>{"link"});
  EXPECT_TRUE(Absent("d/sub/link"));
  EXPECT_EQ(FingerprintOf("e/f"), file);
  EXPECT_EQ(Content("e/f"), "content");
  EXPECT_EQ(planned_->LookAt(P("e/sub/link")).entry.symlink_target, "nowhere");
  // And back again.
  EXPECT_EQ(planned_->Move(P("e"), FingerprintOf("e"), P("d"))->kind, ApplyKind::kApplied);
  EXPECT_EQ(Content("d/f"), "content");
  EXPECT_TRUE(Absent("e/f"));
}

TEST_P(PlannedDirectoryTest, NewMetadataShowsInTheFileToo) {
  EXPECT_EQ(planned_->SetMetadata(P("top"), FingerprintOf("top"), 0600, 5)->kind,
            ApplyKind::kApplied);
  const auto file = planned_->Open(P("top"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Stat()->mtime_ns, 5);
  EXPECT_EQ(*(*file)->Stat(), FingerprintOf("top"));
  EXPECT_EQ(*(*file)->Mode(), 0600);
  EXPECT_EQ(planned_->MakeDirectory(P("d"), 0711)->kind, ApplyKind::kApplied);
  EXPECT_EQ(planned_->LookAt(P("d")).entry.mode, 0711);
  EXPECT_EQ(Listed("d"), (std::vector<std::string>{"f", "sub"}));
}

TEST_P(PlannedDirectoryTest, AnAgentMayHoldTheDirectory) {
  TemporaryTree held(GetParam());
  const auto agent = LocalDirectory::Open(held.path(), &clock_);
  ASSERT_TRUE(agent.ok());
  const auto beside = LocalDirectory::OpenToLook(held.path(), &clock_);
  ASSERT_TRUE(beside.ok()) << beside.status();
  EXPECT_EQ((*beside)->identity().root_id, (*agent)->identity().root_id);
  EXPECT_FALSE((*beside)->identity().created);
  EXPECT_NE((*beside)->StateDirectoryPath(), "");
  EXPECT_TRUE((*beside)->CheckRoot().ok());
  held.Delete(".syncagent/root-id");
  EXPECT_FALSE((*beside)->CheckRoot().ok());
}

INSTANTIATE_TEST_SUITE_P(Places, PlannedDirectoryTest, testing::ValuesIn(TestBases()));

}  // namespace
}  // namespace filesync
