// The contract of Location, kept by the local directory on each file system that is at hand.
#include "libs/location/local_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using Presence = Look::Presence;

constexpr absl::Duration kMonth = absl::Hours(24 * 30);

class LocalDirectoryTest : public testing::TestWithParam<std::string> {
 protected:
  LocalDirectoryTest() : outside_(GetParam()), tree_(GetParam()) { Reopen(); }

  void Reopen() {
    location_.reset();
    location_ = OpenTree(tree_, &clock_);
  }
  std::vector<std::string> Trash() { return tree_.Contents(".syncagent/trash"); }
  std::vector<std::string> Tmp() { return tree_.Names(".syncagent/tmp"); }
  Fingerprint Now(std::string_view path) { return Present(*location_, path).fingerprint; }

  SimulatedClock clock_{absl::Now()};
  const TemporaryTree outside_;
  const TemporaryTree tree_;
  std::unique_ptr<LocalDirectory> location_;
};

INSTANTIATE_TEST_SUITE_P(On, LocalDirectoryTest, testing::ValuesIn(TestBases()),
                         [](const auto& base) { return "Base" + std::to_string(base.index); });

void ExpectKind(const absl::StatusOr<ApplyResult>& result, ApplyKind kind) {
  ASSERT_TRUE(result.ok()) << Describe(result.status());
  EXPECT_EQ(result->kind, kind);
}

// ---- opening, and the root ----

TEST_P(LocalDirectoryTest, OpeningMakesTheStateDirectoryOnce) {
  EXPECT_TRUE(location_->identity().created);
  EXPECT_EQ(tree_.ModeOf(".syncagent"), 0700U);
  EXPECT_THAT(tree_.Names(".syncagent"), ElementsAre("lock", "root-id", "tmp", "trash"));
  const std::string id = location_->identity().root_id;
  EXPECT_THAT(id, SizeIs(16));
  EXPECT_THAT(tree_.Read(".syncagent/root-id"), SizeIs(33));
  Reopen();
  EXPECT_FALSE(location_->identity().created);
  EXPECT_EQ(location_->identity().root_id, id);
}

TEST_P(LocalDirectoryTest, OpeningRefusesWhatIsNoDirectory) {
  tree_.Write("file", "x");
  EXPECT_EQ(LocalDirectory::Open(tree_.At("file"), &clock_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(LocalDirectory::Open(tree_.At("missing"), &clock_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(LocalDirectoryTest, OpeningRefusesADirectoryInsideASyncedOne) {
  tree_.Mkdir("a");
  tree_.Mkdir("a/b");
  const absl::Status status = LocalDirectory::Open(tree_.At("a/b"), &clock_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("lies inside"));
  EXPECT_FALSE(tree_.Exists("a/b/.syncagent"));
}

TEST_P(LocalDirectoryTest, OnlyOneAgentHoldsIt) {
  EXPECT_EQ(LocalDirectory::Open(tree_.path(), &clock_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  location_.reset();
  EXPECT_TRUE(LocalDirectory::Open(tree_.path(), &clock_).ok());
}

TEST_P(LocalDirectoryTest, TheRootMayBeNamedByASymlink) {
  location_.reset();
  outside_.Symlink(tree_.path(), "link");
  const auto opened = LocalDirectory::Open(outside_.At("link"), &clock_);
  ASSERT_TRUE(opened.ok()) << Describe(opened.status());
  EXPECT_EQ((*opened)->description(), tree_.path());
}

TEST_P(LocalDirectoryTest, AStateDirectoryThatIsASymlinkIsRefused) {
  location_.reset();
  tree_.Rename(".syncagent", "elsewhere");
  tree_.Symlink("elsewhere", ".syncagent");
  EXPECT_FALSE(LocalDirectory::Open(tree_.path(), &clock_).ok());
}

TEST_P(LocalDirectoryTest, ADamagedMarkerIsAnotherTree) {
  const std::string id = location_->identity().root_id;
  location_.reset();
  tree_.Write(".syncagent/root-id", "");
  Reopen();
  EXPECT_TRUE(location_->identity().created);
  EXPECT_NE(location_->identity().root_id, id);
}

TEST_P(LocalDirectoryTest, StateIsReachedByPath) {
  outside_.Write("x", "");
  const std::string path = location_->StateDirectoryPath() + "/state.db";
  const UniqueFd fd(open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_TRUE(fd.ok());
  EXPECT_TRUE(tree_.Exists(".syncagent/state.db"));
}

TEST_P(LocalDirectoryTest, CheckRootWantsMarkerAndInode) {
  EXPECT_TRUE(location_->CheckRoot().ok());
  tree_.Rename(".syncagent/root-id", ".syncagent/aside");
  EXPECT_EQ(location_->CheckRoot().code(), absl::StatusCode::kFailedPrecondition);
  tree_.Write(".syncagent/root-id", std::string(32, 'a') + "\n");
  EXPECT_EQ(location_->CheckRoot().code(), absl::StatusCode::kFailedPrecondition);
  tree_.Rename(".syncagent/aside", ".syncagent/root-id");
  EXPECT_TRUE(location_->CheckRoot().ok());
}

TEST_P(LocalDirectoryTest, CheckRootNoticesAnotherDirectoryInItsPlace) {
  const std::string away = outside_.At("away");
  ASSERT_EQ(rename(tree_.path().c_str(), away.c_str()), 0);
  EXPECT_EQ(location_->CheckRoot().code(), absl::StatusCode::kFailedPrecondition);
  // A copy with the same marker is not the root either.
  ASSERT_EQ(mkdir(tree_.path().c_str(), 0755), 0);
  tree_.Mkdir(".syncagent");
  tree_.Write(".syncagent/root-id", outside_.Read("away/.syncagent/root-id"));
  EXPECT_EQ(location_->CheckRoot().code(), absl::StatusCode::kFailedPrecondition);
}

// ---- looking ----

TEST_P(LocalDirectoryTest, LookAtTellsEachType) {
  tree_.Write("file", "12345");
  tree_.Chmod("file", 0640);
  tree_.Mkdir("directory");
  tree_.Symlink("nowhere/at all", "link");
  ASSERT_EQ(mkfifo(tree_.At("fifo").c_str(), 0600), 0);

  const LocalEntry file = Present(*location_, "file");
  EXPECT_EQ(file.type, LocalType::kFile);
  EXPECT_EQ(file.mode, 0640U);
  EXPECT_EQ(file.fingerprint.size, 5U);
  EXPECT_EQ(Present(*location_, "directory").type, LocalType::kDirectory);
  EXPECT_EQ(Present(*location_, "link").type, LocalType::kSymlink);
  EXPECT_EQ(Present(*location_, "link").symlink_target, "nowhere/at all");
  EXPECT_EQ(Present(*location_, "fifo").type, LocalType::kOther);
  EXPECT_EQ(Present(*location_, "").type, LocalType::kDirectory);
}

TEST_P(LocalDirectoryTest, LookAtProvesAbsence) {
  tree_.Write("file", "");
  outside_.Write("secret", "");
  tree_.Symlink(outside_.path(), "link");
  EXPECT_EQ(PresenceOf(*location_, "missing"), Presence::kAbsent);
  EXPECT_EQ(PresenceOf(*location_, "missing/below"), Presence::kAbsent);
  EXPECT_EQ(PresenceOf(*location_, "file/below"), Presence::kAbsent);
  EXPECT_EQ(PresenceOf(*location_, "link/secret"), Presence::kAbsent);
}

TEST_P(LocalDirectoryTest, WhatMayNotBeReadIsUnknown) {
  tree_.Chmod("", 0755);
  tree_.Mkdir("closed");
  tree_.Write("closed/file", "");
  tree_.Mkdir("unlisted");
  tree_.Write("unlisted/file", "");
  tree_.Chmod("closed", 0);
  tree_.Chmod("unlisted", 0711);
  EXPECT_TRUE(PassesInChild([&] {
    BecomeNobody();
    EXPECT_EQ(PresenceOf(*location_, "closed/file"), Presence::kUnknown);
    EXPECT_EQ(PresenceOf(*location_, "closed/missing"), Presence::kUnknown);
    EXPECT_EQ(location_->List(P("closed")).status().code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(PresenceOf(*location_, "unlisted/file"), Presence::kPresent);
    EXPECT_EQ(PresenceOf(*location_, "unlisted/missing"), Presence::kAbsent);
    if (geteuid() != getuid() || geteuid() == 65534) {
      EXPECT_FALSE(location_->List(P("unlisted")).ok());
    }
  }));
}

TEST_P(LocalDirectoryTest, ListIsSortedAndKeepsOddNames) {
  const std::string longest(255, 'n');
  const std::string odd = "new\nline \x1b[31m";
  const std::string latin1 = "caf\xe9";
  for (const std::string& name : {longest, odd, latin1, std::string("b"), std::string("a!")}) {
    tree_.Write(name, name);
  }
  tree_.Mkdir("a");
  tree_.Write("a/inner", "");
  const absl::StatusOr<Listing> listing = location_->List(RelPath());
  ASSERT_TRUE(listing.ok()) << Describe(listing.status());
  std::vector<std::string> names;
  for (const LocalEntry& entry : listing->entries) names.push_back(entry.path.bytes());
  EXPECT_THAT(names, ElementsAre("a", "a!", "b", latin1, odd, longest));
  EXPECT_THAT(listing->skipped, IsEmpty());
  EXPECT_EQ(listing->entries[3].fingerprint, Now(latin1));
  ASSERT_TRUE(location_->Open(P(odd)).ok());
}

TEST_P(LocalDirectoryTest, ListSkipsReservedNamesAndReportsThem) {
  tree_.Mkdir("below");
  tree_.Mkdir("below/.syncagent");
  tree_.Write("below/.SyncAgent", "");
  const absl::StatusOr<Listing> listing = location_->List(P("below"));
  ASSERT_TRUE(listing.ok()) << Describe(listing.status());
  EXPECT_THAT(listing->entries, IsEmpty());
  EXPECT_THAT(listing->skipped, UnorderedElementsAre(".syncagent", ".SyncAgent"));
}

TEST_P(LocalDirectoryTest, ADirectorySyncedOnItsOwnIsUnknown) {
  tree_.Chmod("", 0755);
  tree_.Mkdir("own");
  tree_.Write("own/file", "");
  tree_.Mkdir("own/.syncagent", 0700);
  tree_.Write("own/.syncagent/root-id", "id\n");
  EXPECT_EQ(location_->List(P("own")).status().code(), absl::StatusCode::kFailedPrecondition);
  const auto watcher = location_->NewWatcher();
  ASSERT_TRUE(watcher.ok());
  EXPECT_EQ((*watcher)->Watch(P("own")).status().code(), absl::StatusCode::kFailedPrecondition);
  // Also when its marker is another user's and can't be seen.
  EXPECT_TRUE(PassesInChild([&] {
    BecomeNobody();
    EXPECT_EQ(location_->List(P("own")).status().code(), absl::StatusCode::kFailedPrecondition);
  }));
}

TEST_P(LocalDirectoryTest, ListOfWhatIsNoDirectoryFails) {
  tree_.Write("file", "");
  tree_.Symlink(outside_.path(), "link");
  EXPECT_EQ(location_->List(P("missing")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(location_->List(P("file")).ok());
  EXPECT_FALSE(location_->List(P("link")).ok());
}

// ---- reading ----

TEST_P(LocalDirectoryTest, ReadsAtAnyOffset) {
  tree_.Write("file", "0123456789");
  const auto file = location_->Open(P("file"));
  ASSERT_TRUE(file.ok());
  char buffer[16];
  EXPECT_EQ((*file)->ReadAt(7, buffer, sizeof(buffer)).value(), 3U);
  EXPECT_EQ(std::string(buffer, 3), "789");
  EXPECT_EQ((*file)->ReadAt(99, buffer, sizeof(buffer)).value(), 0U);
  EXPECT_EQ((*file)->Stat().value(), Now("file"));
  EXPECT_EQ((*file)->Mode().value(), Present(*location_, "file").mode);
}

TEST_P(LocalDirectoryTest, OpensRegularFilesOnly) {
  tree_.Mkdir("directory");
  tree_.Symlink("/etc/passwd", "link");
  ASSERT_EQ(mkfifo(tree_.At("fifo").c_str(), 0600), 0);
  EXPECT_EQ(location_->Open(P("missing")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(location_->Open(P("directory")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(location_->Open(P("fifo")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(location_->Open(P("link")).ok());
}

TEST_P(LocalDirectoryTest, KnowsWhenTheNameIsAnotherFile) {
  tree_.Write("file", "old");
  const auto file = location_->Open(P("file"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->NameIsStillThis().value());
  tree_.Save("file", "new");
  EXPECT_FALSE((*file)->NameIsStillThis().value());
  tree_.Delete("file");
  EXPECT_FALSE((*file)->NameIsStillThis().value());
}

TEST_P(LocalDirectoryTest, KnowsWriters) {
  tree_.Write("file", "old");
  const auto file = location_->Open(P("file"));
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->HasWriters());
  {
    const UniqueFd writer(open(tree_.At("file").c_str(), O_WRONLY));
    EXPECT_TRUE((*file)->HasWriters());
  }
  EXPECT_FALSE((*file)->HasWriters());
}

// ---- staging and installing ----

TEST_P(LocalDirectoryTest, AStagedFileThatIsNotInstalledGoes) {
  {
    const auto staged = StageBytes(*location_, "bytes");
    EXPECT_THAT(Tmp(), SizeIs(1));
    EXPECT_EQ(tree_.ModeOf(".syncagent/tmp/" + Tmp().front()), 0644U);
  }
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, WhatIsBeingStagedIsPrivate) {
  const auto staged = location_->Stage(P("staged"), 0);
  ASSERT_TRUE(staged.ok());
  EXPECT_EQ(tree_.ModeOf(".syncagent/tmp/" + Tmp().front()), 0600U);
}

TEST_P(LocalDirectoryTest, StagingReservesSpace) {
  const auto staged = location_->Stage(P("staged"), uint64_t{1} << 43);
  EXPECT_EQ(staged.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, AFullDiskHarmsNothing) {
  location_.reset();
  EXPECT_TRUE(PassesInChild([&] {
    if (!MountTinyTmpfs(tree_.path(), 1 << 20)) return;  // may not mount here
    Reopen();
    tree_.Write("file", "old");
    const std::string much(2 << 20, 'x');
    {
      const auto staged = location_->Stage(P("staged"), 0);
      ASSERT_TRUE(staged.ok());
      EXPECT_EQ((*staged)->Append(much).code(), absl::StatusCode::kResourceExhausted);
    }
    EXPECT_EQ(tree_.Read("file"), "old");
    EXPECT_THAT(Tmp(), IsEmpty());
    ExpectKind(InstallBytes(*location_, "file", "new", Now("file")), ApplyKind::kApplied);
  }));
}

TEST_P(LocalDirectoryTest, InstallsANewFile) {
  constexpr int64_t kTime = 1'700'000'000'123'456'789;
  const auto staged = StageBytes(*location_, "hello", 0751, kTime);
  StagedFile* const files[] = {staged.get()};
  EXPECT_TRUE(location_->SyncStaged(files).ok());
  const auto result = location_->InstallFile(*staged, P("file"), std::nullopt);
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(tree_.Read("file"), "hello");
  EXPECT_EQ(result->fingerprint, Now("file"));
  EXPECT_EQ(result->fingerprint.mtime_ns, kTime);
  EXPECT_EQ(Present(*location_, "file").mode, 0751U);
  EXPECT_THAT(Tmp(), IsEmpty());
  EXPECT_THAT(Trash(), IsEmpty());
}

TEST_P(LocalDirectoryTest, PeersSetNoSpecialBitsAndTimesMayBeOld) {
  const auto staged = StageBytes(*location_, "x", 07777, -1);
  ExpectKind(location_->InstallFile(*staged, P("file"), std::nullopt), ApplyKind::kApplied);
  EXPECT_EQ(tree_.ModeOf("file"), 0777U);
  EXPECT_EQ(Now("file").mtime_ns, -1);
  ExpectKind(location_->MakeDirectory(P("directory"), 07755), ApplyKind::kApplied);
  EXPECT_EQ(tree_.ModeOf("directory"), 0755U);
  ExpectKind(location_->SetMetadata(P("file"), Now("file"), 07700, 5), ApplyKind::kApplied);
  EXPECT_EQ(tree_.ModeOf("file"), 0700U);
}

TEST_P(LocalDirectoryTest, ReplacesWhatWasExpectedAndKeepsItInTheTrash) {
  tree_.Write("file", "old");
  const auto result = InstallBytes(*location_, "file", "new", Now("file"));
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(tree_.Read("file"), "new");
  EXPECT_EQ(result->fingerprint, Now("file"));
  EXPECT_THAT(Trash(), ElementsAre("old"));
  EXPECT_THAT(tree_.Names(".syncagent/trash").front(), testing::EndsWith("-file"));
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, InstallingLeavesWhatWasNotExpected) {
  tree_.Write("file", "old");
  tree_.Mkdir("directory");
  tree_.Write("directory/file", "inner");
  const Fingerprint old = Now("file");
  tree_.Save("file", "newer");
  ExpectKind(InstallBytes(*location_, "file", "remote", old), ApplyKind::kChanged);
  ExpectKind(InstallBytes(*location_, "file", "remote", std::nullopt), ApplyKind::kChanged);
  ExpectKind(InstallBytes(*location_, "gone", "remote", old), ApplyKind::kChanged);
  ExpectKind(InstallBytes(*location_, "directory", "remote", std::nullopt), ApplyKind::kChanged);
  ExpectKind(InstallBytes(*location_, "directory", "remote", Now("directory")),
             ApplyKind::kChanged);
  EXPECT_EQ(tree_.Read("file"), "newer");
  EXPECT_EQ(tree_.Read("directory/file"), "inner");
  EXPECT_THAT(Trash(), IsEmpty());
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, AChangedModeIsAChange) {
  tree_.Write("file", "old");
  const Fingerprint old = Now("file");
  tree_.Chmod("file", 0600);
  ExpectKind(InstallBytes(*location_, "file", "remote", old), ApplyKind::kChanged);
  ExpectKind(location_->Remove(P("file"), old), ApplyKind::kChanged);
  EXPECT_EQ(tree_.Read("file"), "old");
}

TEST_P(LocalDirectoryTest, AStagedFileThatWasNotAppliedCanBeInstalledLater) {
  tree_.Write("file", "old");
  const auto staged = StageBytes(*location_, "new");
  ExpectKind(location_->InstallFile(*staged, P("file"), std::nullopt), ApplyKind::kChanged);
  ExpectKind(location_->InstallFile(*staged, P("file"), Now("file")), ApplyKind::kApplied);
  EXPECT_EQ(tree_.Read("file"), "new");
}

TEST_P(LocalDirectoryTest, ParentsMustExist) {
  EXPECT_EQ(InstallBytes(*location_, "no/file", "x", std::nullopt).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(location_->InstallSymlink(P("no/link"), "x", 0, std::nullopt).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(location_->MakeDirectory(P("no/directory"), 0755).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, NothingIsInstalledThroughASymlink) {
  outside_.Write("file", "outside");
  tree_.Symlink(outside_.path(), "link");
  EXPECT_FALSE(InstallBytes(*location_, "link/new", "x", std::nullopt).ok());
  EXPECT_FALSE(location_->MakeDirectory(P("link/directory"), 0755).ok());
  EXPECT_FALSE(location_->InstallSymlink(P("link/symlink"), "x", 0, std::nullopt).ok());
  EXPECT_FALSE(location_->SetMetadata(P("link/file"), Fingerprint(), 0777, 0).ok());
  ExpectKind(location_->Remove(P("link/file"), Fingerprint()), ApplyKind::kApplied);
  EXPECT_FALSE(location_->List(P("link")).ok());
  EXPECT_FALSE(location_->Open(P("link/file")).ok());
  EXPECT_THAT(outside_.Names(""), ElementsAre("file"));
  EXPECT_EQ(outside_.Read("file"), "outside");
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, InstallsSymlinksAsTheyAre) {
  constexpr int64_t kTime = 1'600'000'000'000'000'321;
  tree_.Write("file", "old");
  auto result = location_->InstallSymlink(P("link"), "../../etc/passwd", kTime, std::nullopt);
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(result->fingerprint, Now("link"));
  EXPECT_EQ(Present(*location_, "link").symlink_target, "../../etc/passwd");
  EXPECT_EQ(result->fingerprint.mtime_ns, kTime);
  result = location_->InstallSymlink(P("file"), "link", 7, Now("file"));
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(Present(*location_, "file").type, LocalType::kSymlink);
  EXPECT_THAT(Trash(), ElementsAre("old"));
  // And a file in place of a symlink, whose target stays as it is.
  ExpectKind(InstallBytes(*location_, "file", "again", Now("file")), ApplyKind::kApplied);
  EXPECT_EQ(Present(*location_, "file").type, LocalType::kFile);
  EXPECT_EQ(PresenceOf(*location_, "link"), Presence::kPresent);
  EXPECT_THAT(Tmp(), IsEmpty());
}

TEST_P(LocalDirectoryTest, MakesDirectories) {
  auto result = location_->MakeDirectory(P("a"), 0750);
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(tree_.ModeOf("a"), 0750U);
  EXPECT_EQ(result->fingerprint.inode, Now("a").inode);
  tree_.Write("a/file", "kept");
  ExpectKind(location_->MakeDirectory(P("a"), 0700), ApplyKind::kApplied);
  EXPECT_EQ(tree_.ModeOf("a"), 0700U);
  EXPECT_EQ(tree_.Read("a/file"), "kept");
  tree_.Write("file", "");
  tree_.Symlink("a", "link");
  ExpectKind(location_->MakeDirectory(P("file"), 0700), ApplyKind::kChanged);
  ExpectKind(location_->MakeDirectory(P("link"), 0777), ApplyKind::kChanged);
  EXPECT_EQ(tree_.ModeOf("a"), 0700U);
}

// ---- metadata ----

TEST_P(LocalDirectoryTest, SetsModeAndTime) {
  tree_.Write("file", "x");
  const auto result = location_->SetMetadata(P("file"), Now("file"), 0440, 1'234'567'890'123);
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(result->fingerprint, Now("file"));
  EXPECT_EQ(result->fingerprint.mtime_ns, 1'234'567'890'123);
  EXPECT_EQ(tree_.ModeOf("file"), 0440U);
  ExpectKind(location_->SetMetadata(P("file"), Fingerprint(), 0777, 0), ApplyKind::kChanged);
  EXPECT_EQ(tree_.ModeOf("file"), 0440U);
}

TEST_P(LocalDirectoryTest, SetsASymlinksOwnTimeAndADirectorysMode) {
  tree_.Write("file", "x");
  tree_.Symlink("file", "link");
  tree_.Mkdir("directory");
  const Fingerprint file = Now("file");
  ExpectKind(location_->SetMetadata(P("link"), Now("link"), 0, 99), ApplyKind::kApplied);
  EXPECT_EQ(Now("link").mtime_ns, 99);
  EXPECT_EQ(Now("file"), file);
  const Fingerprint directory = Now("directory");
  tree_.Write("directory/new", "");
  ExpectKind(location_->SetMetadata(P("directory"), directory, 0711, 0), ApplyKind::kApplied);
  EXPECT_EQ(tree_.ModeOf("directory"), 0711U);
}

TEST_P(LocalDirectoryTest, SetsMetadataOfAFileThatMayNotBeRead) {
  tree_.Chmod("", 0777);
  location_.reset();
  tree_.Chmod(".syncagent", 0777);
  EXPECT_TRUE(PassesInChild([&] {
    BecomeNobody();
    const TemporaryTree own(GetParam());
    const auto location = OpenTree(own, &clock_);
    own.Write("file", "x");
    own.Chmod("file", 0);
    ExpectKind(location->SetMetadata(P("file"), Present(*location, "file").fingerprint, 0600, 5),
               ApplyKind::kApplied);
    EXPECT_EQ(own.ModeOf("file"), 0600U);
    EXPECT_EQ(Present(*location, "file").fingerprint.mtime_ns, 5);
  }));
}

TEST_P(LocalDirectoryTest, MetadataOfAFileThatIsBeingSavedWaits) {
  tree_.Write("file", "x");
  const Fingerprint seen = Now("file");
  clock_.Advance(absl::FromUnixNanos(seen.ctime_ns) - clock_.Now());
  const UniqueFd writer(open(tree_.At("file").c_str(), O_WRONLY));
  ExpectKind(location_->SetMetadata(P("file"), seen, 0600, 5), ApplyKind::kChanged);
  EXPECT_EQ(Now("file"), seen);
  // One that is only open, and was not touched for a while, does not hold it up.
  clock_.Advance(absl::Minutes(1));
  ExpectKind(location_->SetMetadata(P("file"), seen, 0600, 5), ApplyKind::kApplied);
}

// ---- removing and moving ----

TEST_P(LocalDirectoryTest, RemovesIntoTheTrash) {
  tree_.Write("file", "old");
  tree_.Symlink("file", "link");
  ExpectKind(location_->Remove(P("link"), Now("link")), ApplyKind::kApplied);
  EXPECT_EQ(tree_.Read("file"), "old");
  ExpectKind(location_->Remove(P("file"), Now("file")), ApplyKind::kApplied);
  EXPECT_EQ(PresenceOf(*location_, "file"), Presence::kAbsent);
  EXPECT_THAT(tree_.Names(".syncagent/trash"), SizeIs(2));
  ExpectKind(location_->Remove(P("file"), Fingerprint()), ApplyKind::kApplied);
  ExpectKind(location_->Remove(P("no/where"), Fingerprint()), ApplyKind::kApplied);
}

TEST_P(LocalDirectoryTest, RemovesOnlyWhatWasExpected) {
  tree_.Write("file", "old");
  const Fingerprint old = Now("file");
  tree_.Write("file", "newer");
  ExpectKind(location_->Remove(P("file"), old), ApplyKind::kChanged);
  EXPECT_EQ(tree_.Read("file"), "newer");
  tree_.Mkdir("directory");
  ExpectKind(location_->Remove(P("directory"), old), ApplyKind::kChanged);
  EXPECT_TRUE(tree_.Exists("directory"));
}

TEST_P(LocalDirectoryTest, RemovesEmptyDirectoriesOnly) {
  tree_.Mkdir("directory");
  const Fingerprint before = Now("directory");
  tree_.Write("directory/file", "");
  ExpectKind(location_->Remove(P("directory"), before), ApplyKind::kNotEmpty);
  tree_.Delete("directory/file");
  ExpectKind(location_->Remove(P("directory"), before), ApplyKind::kApplied);
  EXPECT_FALSE(tree_.Exists("directory"));
}

TEST_P(LocalDirectoryTest, MovesFilesAndWholeDirectories) {
  tree_.Mkdir("a");
  tree_.Write("a/file", "x");
  tree_.Mkdir("b");
  auto result = location_->Move(P("a/file"), Now("a/file"), P("b/renamed"));
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(result->fingerprint, Now("b/renamed"));
  EXPECT_EQ(PresenceOf(*location_, "a/file"), Presence::kAbsent);
  const Fingerprint inner = Now("b/renamed");
  result = location_->Move(P("b"), Now("b"), P("a/c"));
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(result->fingerprint.inode, Now("a/c").inode);
  EXPECT_EQ(Now("a/c/renamed"), inner);
}

TEST_P(LocalDirectoryTest, MovesOnlyWhatWasExpectedAndOverNothing) {
  tree_.Write("from", "one");
  tree_.Write("to", "two");
  tree_.Mkdir("empty");
  tree_.Mkdir("directory");
  ExpectKind(location_->Move(P("from"), Now("from"), P("to")), ApplyKind::kChanged);
  ExpectKind(location_->Move(P("directory"), Now("directory"), P("empty")), ApplyKind::kChanged);
  ExpectKind(location_->Move(P("from"), Now("to"), P("free")), ApplyKind::kChanged);
  EXPECT_EQ(location_->Move(P("gone"), Now("to"), P("free")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(tree_.Read("from"), "one");
  EXPECT_EQ(tree_.Read("to"), "two");
  EXPECT_FALSE(tree_.Exists("free"));
}

TEST_P(LocalDirectoryTest, MovesOverAnotherFileWhichIsKept) {
  tree_.Mkdir("a");
  tree_.Write("a/from", "one");
  tree_.Write("to", "two");
  const uint64_t inode = Now("a/from").inode;
  const auto result = location_->MoveOver(P("a/from"), Now("a/from"), P("to"), Now("to"));
  ExpectKind(result, ApplyKind::kApplied);
  EXPECT_EQ(result->fingerprint, Now("to"));
  EXPECT_EQ(Now("to").inode, inode);
  EXPECT_EQ(tree_.Read("to"), "one");
  EXPECT_FALSE(tree_.Exists("a/from"));
  EXPECT_EQ(tree_.Contents(".syncagent/trash"), std::vector<std::string>{"two"});
}

TEST_P(LocalDirectoryTest, MovesOverOnlyWhatWasExpected) {
  tree_.Write("from", "one");
  tree_.Write("to", "two");
  tree_.Write("other", "three");
  tree_.Mkdir("directory");
  const Fingerprint from = Now("from");
  ExpectKind(location_->MoveOver(P("from"), Now("other"), P("to"), Now("to")), ApplyKind::kChanged);
  ExpectKind(location_->MoveOver(P("from"), from, P("to"), Now("other")), ApplyKind::kChanged);
  ExpectKind(location_->MoveOver(P("from"), from, P("gone"), Now("to")), ApplyKind::kChanged);
  ExpectKind(location_->MoveOver(P("from"), from, P("directory"), Now("directory")),
             ApplyKind::kChanged);
  ExpectKind(location_->MoveOver(P("directory"), Now("directory"), P("to"), Now("to")),
             ApplyKind::kChanged);
  EXPECT_EQ(location_->MoveOver(P("gone"), from, P("to"), Now("to")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(tree_.Read("from"), "one");
  EXPECT_EQ(tree_.Read("to"), "two");
}

// ---- long paths, syncing, cleaning ----

TEST_P(LocalDirectoryTest, PathsAsLongAsRelPathAllows) {
  RelPath path;
  for (int i = 0; i < 16; ++i) {
    path = path.Child(std::string(i == 15 ? 240 : 255, static_cast<char>('a' + i))).value();
    ExpectKind(location_->MakeDirectory(path, 0755), ApplyKind::kApplied);
  }
  const RelPath file =
      path.Child(std::string(kMaxPathBytes - path.bytes().size() - 1, 'z')).value();
  ASSERT_EQ(file.bytes().size(), kMaxPathBytes);
  const auto staged = StageBytes(*location_, "deep");
  ExpectKind(location_->InstallFile(*staged, file, std::nullopt), ApplyKind::kApplied);
  const Look look = location_->LookAt(file);
  ASSERT_EQ(look.presence, Presence::kPresent);
  EXPECT_TRUE(location_->Open(file).ok());
  EXPECT_THAT(location_->List(path)->entries, SizeIs(1));
  const RelPath directories[] = {path, path.Parent()};
  EXPECT_TRUE(location_->SyncDirectories(directories).ok());
  const auto watcher = location_->NewWatcher();
  EXPECT_TRUE((*watcher)->Watch(path).ok());
  const auto moved = location_->Move(file, look.entry.fingerprint, P("shallow"));
  ExpectKind(moved, ApplyKind::kApplied);
  ExpectKind(location_->Move(P("shallow"), moved->fingerprint, file), ApplyKind::kApplied);
  ExpectKind(location_->Remove(file, location_->LookAt(file).entry.fingerprint),
             ApplyKind::kApplied);
  EXPECT_EQ(location_->LookAt(file).presence, Presence::kAbsent);
}

TEST_P(LocalDirectoryTest, SyncsFewAndMany) {
  for (const size_t count : {2, 40}) {
    std::vector<std::unique_ptr<StagedFile>> staged;
    std::vector<StagedFile*> files;
    std::vector<RelPath> directories = {RelPath(), P("gone"), P("gone/deeper")};
    for (size_t i = 0; i < count; ++i) {
      staged.push_back(StageBytes(*location_, "x"));
      files.push_back(staged.back().get());
      directories.push_back(P("directory" + std::to_string(i)));
      ExpectKind(location_->MakeDirectory(directories.back(), 0755), ApplyKind::kApplied);
    }
    EXPECT_TRUE(location_->SyncStaged(files).ok());
    EXPECT_TRUE(location_->SyncDirectories(directories).ok());
  }
}

TEST_P(LocalDirectoryTest, CleanUpEmptiesTmpAndOldTrashOnly) {
  tree_.Write("first", "first");
  ExpectKind(location_->Remove(P("first"), Now("first")), ApplyKind::kApplied);
  clock_.Advance(kMonth - absl::Hours(1));
  tree_.Write("second", "second");
  ExpectKind(location_->Remove(P("second"), Now("second")), ApplyKind::kApplied);
  tree_.Write(".syncagent/trash/not-ours", "foreign");
  tree_.Write(".syncagent/tmp/left", "left");
  tree_.Mkdir(".syncagent/tmp/directory");

  EXPECT_TRUE(location_->CleanUp().ok());
  ASSERT_TRUE(location_->LimitTrash({kMonth}).ok());
  EXPECT_THAT(Trash(), ElementsAre("first", "foreign", "second"));
  EXPECT_THAT(Tmp(), ElementsAre("directory"));
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(location_->LimitTrash({kMonth})->files, 1U);
  EXPECT_THAT(Trash(), ElementsAre("foreign", "second"));
}

TEST_P(LocalDirectoryTest, TrashIsLimitedBySizeTheOldestFirst) {
  const std::string large(1 << 20, 'x');
  for (const char* name : {"1", "2", "3"}) {
    const uint64_t puts = location_->TrashPuts();
    tree_.Write(name, name + large);
    ExpectKind(location_->Remove(P(name), Now(name)), ApplyKind::kApplied);
    EXPECT_GT(location_->TrashPuts(), puts);
    clock_.Advance(absl::Seconds(1));
  }
  tree_.Write(".syncagent/trash/not-ours", large + large);
  EXPECT_EQ(location_->LimitTrash({kMonth, 4 << 20})->files, 0U);
  const auto removed = location_->LimitTrash({kMonth, (2 << 20) + (512 << 10)});
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed->files, 1U);
  EXPECT_GE(removed->bytes, large.size());
  EXPECT_THAT(Trash(), UnorderedElementsAre("2" + large, "3" + large, large + large));
  EXPECT_EQ(location_->LimitTrash({kMonth, 1})->files, 1U);
  EXPECT_THAT(Trash(), UnorderedElementsAre("3" + large, large + large));
}

TEST_P(LocalDirectoryTest, FineGrainedTimesTellWritesApart) {
  if (!location_->HasFineGrainedTimes()) return;  // promises nothing
  tree_.Write("file", "x");
  for (int i = 0; i < 200; ++i) {
    const Fingerprint before = Now("file");
    const UniqueFd fd(open(tree_.At("file").c_str(), O_WRONLY));
    ASSERT_EQ(pwrite(fd.get(), "y", 1, 0), 1);
    ASSERT_NE(Now("file"), before);
  }
}

// ---- file systems that can neither exchange nor refuse to replace ----

TEST_P(LocalDirectoryTest, WorksWithoutRenameFlags) {
  EXPECT_TRUE(PassesInChild([&] {
    ForbidRenameFlags();
    ExpectKind(InstallBytes(*location_, "file", "one", std::nullopt), ApplyKind::kApplied);
    ExpectKind(InstallBytes(*location_, "file", "bad", std::nullopt), ApplyKind::kChanged);
    const Fingerprint one = Now("file");
    const auto replaced = InstallBytes(*location_, "file", "two", one);
    ExpectKind(replaced, ApplyKind::kApplied);
    EXPECT_EQ(replaced->fingerprint, Now("file"));
    EXPECT_THAT(Trash(), ElementsAre("one"));
    ExpectKind(InstallBytes(*location_, "file", "bad", one), ApplyKind::kChanged);
    EXPECT_EQ(tree_.Read("file"), "two");

    tree_.Mkdir("directory");
    tree_.Write("directory/inner", "inner");
    ExpectKind(location_->Move(P("file"), Now("file"), P("directory")), ApplyKind::kChanged);
    const auto moved = location_->Move(P("file"), Now("file"), P("moved"));
    ExpectKind(moved, ApplyKind::kApplied);
    EXPECT_EQ(moved->fingerprint, Now("moved"));
    EXPECT_FALSE(tree_.Exists("file"));
    ExpectKind(location_->Move(P("directory"), Now("directory"), P("moved")), ApplyKind::kChanged);
    ExpectKind(location_->Move(P("directory"), Now("directory"), P("elsewhere")),
               ApplyKind::kApplied);
    EXPECT_EQ(tree_.Read("elsewhere/inner"), "inner");
    ExpectKind(location_->Remove(P("moved"), Now("moved")), ApplyKind::kApplied);
    EXPECT_THAT(Trash(), ElementsAre("one", "two"));
    EXPECT_THAT(Tmp(), IsEmpty());
  }));
}

}  // namespace
}  // namespace filesync
