#include "libs/location/faulty_location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "libs/base/status.h"
#include "libs/location/temporary_tree.h"

namespace filesync {
namespace {

class FaultyLocationTest : public testing::Test {
 protected:
  FaultyLocationTest()
      : tree_(TestBases().back()),
        location_(OpenTree(tree_, &clock_), [this](std::string_view call, const RelPath& path) {
          calls_.insert(std::string(call) + " " + path.bytes());
          return call == failing_ ? ErrnoStatus(EIO, "disk") : absl::OkStatus();
        }) {}

  // Everything that can be called, in turn; returns how many calls failed.
  int CallAll() {
    int failed = 0;
    const auto count = [&](const absl::Status& status) {
      if (status.ok()) return true;
      EXPECT_EQ(ErrnoOf(status), EIO) << Describe(status);
      ++failed;
      return false;
    };
    const RelPath root, file = P("file"), link = P("link"), moved = P("moved");
    count(location_.CheckRoot());
    count(location_.List(root).status());
    Fingerprint fingerprint;
    if (auto staged = location_.Stage(P("staged"), 0); count(staged.status())) {
      count((*staged)->Append("x"));
      count((*staged)->SetMetadata(0644, 1));
      StagedFile* const files[] = {staged->get()};
      count(location_.SyncStaged(files));
      const auto installed = location_.InstallFile(**staged, file, std::nullopt);
      if (count(installed.status())) fingerprint = installed->fingerprint;
    }
    if (tree_.Exists("file")) {
      if (const auto opened = location_.Open(file); count(opened.status())) {
        char byte = 0;
        count((*opened)->ReadAt(0, &byte, 1).status());
        count((*opened)->Stat().status());
        count((*opened)->Mode().status());
        count((*opened)->NameIsStillThis().status());
        EXPECT_FALSE((*opened)->HasWriters());
      }
      const auto set = location_.SetMetadata(file, fingerprint, 0600, 2);
      if (count(set.status())) fingerprint = set->fingerprint;
      const auto attributes = location_.SetAttributes(file, fingerprint, Attributes());
      if (count(attributes.status())) fingerprint = attributes->fingerprint;
      count(location_.MoveOver(file, fingerprint, moved, fingerprint).status());
      const auto result = location_.Move(file, fingerprint, moved);
      if (count(result.status())) fingerprint = result->fingerprint;
      count(location_.Remove(moved, fingerprint).status());
    }
    count(location_.InstallSymlink(link, "x", 1, std::nullopt).status());
    count(location_.MakeDirectory(P("directory"), 0755).status());
    count(location_.SyncDirectories({}));
    const Look look = location_.LookAt(P("directory"));
    if (look.presence == Look::Presence::kUnknown) count(look.why);
    if (const auto watcher = location_.NewWatcher(); count(watcher.status())) {
      count((*watcher)->Watch(root).status());
      EXPECT_TRUE((*watcher)->Read(absl::ZeroDuration()).empty());
      EXPECT_FALSE((*watcher)->Limited());
    }
    count(location_.CleanUp());
    count(location_.LimitTrash({}).status());
    return failed;
  }

  RealClock clock_;
  const TemporaryTree tree_;
  std::string failing_;
  std::set<std::string> calls_;
  FaultyLocation location_;
};

TEST_F(FaultyLocationTest, IsTheLocationItselfWhileNothingFails) {
  EXPECT_EQ(CallAll(), 0);
  EXPECT_EQ(location_.description(), tree_.path());
  EXPECT_EQ(location_.identity().root_id.size(), 16U);
  EXPECT_THAT(location_.StateDirectoryPath(), testing::StartsWith("/proc/self/fd/"));
  EXPECT_TRUE(tree_.Exists("directory"));
  EXPECT_TRUE(tree_.Exists("link"));
}

class FaultyCallTest : public FaultyLocationTest,
                       public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Each, FaultyCallTest,
                         testing::Values("CheckRoot", "LookAt", "List", "Open", "File.ReadAt",
                                         "File.Stat", "File.Mode", "File.NameIsStillThis", "Stage",
                                         "Staged.Append", "Staged.SetMetadata", "SyncStaged",
                                         "InstallFile", "InstallSymlink", "MakeDirectory",
                                         "SetMetadata", "SetAttributes", "Remove", "Move",
                                         "MoveOver", "SyncDirectories", "NewWatcher",
                                         "Watcher.Watch", "CleanUp", "LimitTrash"));

TEST_P(FaultyCallTest, FailsWhenTold) {
  failing_ = GetParam();
  EXPECT_GE(CallAll(), 1);
}

TEST_F(FaultyLocationTest, NamesThePath) {
  (void)location_.LookAt(P("a/b"));
  EXPECT_THAT(calls_, testing::ElementsAre("LookAt a/b"));
  failing_ = "LookAt";
  EXPECT_EQ(location_.LookAt(P("a/b")).presence, Look::Presence::kUnknown);
}

}  // namespace
}  // namespace filesync
