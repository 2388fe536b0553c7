// The watcher: what happens below the root is told, and what could not be told is told too.
#include "libs/location/inotify_watcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"
#include "libs/location/local_directory.h"
#include "libs/location/temporary_tree.h"

namespace filesync {

void PrintTo(const WatchEvent& event, std::ostream* out) {
  static constexpr const char* kNames[] = {"changed", "modifying", "directory", "overflow", "gone"};
  *out << kNames[static_cast<int>(event.kind)] << " " << event.path.ForPeople();
}
bool operator==(const WatchEvent& a, const WatchEvent& b) {
  return a.kind == b.kind && a.path == b.path;
}

namespace {

using testing::Contains;
using testing::Each;
using testing::IsEmpty;
using testing::Not;
using Kind = WatchEvent::Kind;

constexpr absl::Duration kPatience = absl::Seconds(20);

class InotifyWatcherTest : public testing::Test {
 protected:
  InotifyWatcherTest() : tree_(TestBases().front()), outside_(TestBases().front()) {
    location_ = OpenTree(tree_, &clock_);
    absl::StatusOr<std::unique_ptr<Watcher>> watcher = location_->NewWatcher();
    EXPECT_TRUE(watcher.ok()) << Describe(watcher.status());
    watcher_ = *std::move(watcher);
    Watch("");
  }

  void Watch(std::string_view directory) {
    const absl::Status status = watcher_->Watch(P(directory)).status();
    EXPECT_TRUE(status.ok()) << Describe(status);
  }

  // All events up to now: what this test makes happen after them is the last one.
  std::vector<WatchEvent> Events() {
    const std::string last = "last" + std::to_string(++count_);
    tree_.Mkdir(last);
    return EventsUntil({Kind::kDirectory, P(last)});
  }
  std::vector<WatchEvent> EventsUntil(const WatchEvent& wanted) {
    std::vector<WatchEvent> all;
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      for (WatchEvent& event : watcher_->Read(deadline - absl::Now())) {
        if (event == wanted) return all;
        all.push_back(std::move(event));
      }
    }
    ADD_FAILURE() << "never seen: " << testing::PrintToString(wanted);
    return all;
  }

  RealClock clock_;
  const TemporaryTree tree_;
  const TemporaryTree outside_;
  std::unique_ptr<LocalDirectory> location_;
  std::unique_ptr<Watcher> watcher_;
  int count_ = 0;
};

TEST_F(InotifyWatcherTest, ASaveIsModifyingThenChanged) {
  {
    const UniqueFd fd(open(tree_.At("file").c_str(), O_CREAT | O_WRONLY, 0644));
    ASSERT_EQ(write(fd.get(), "x", 1), 1);
    const auto open_yet = Events();
    EXPECT_THAT(open_yet, Contains(WatchEvent{Kind::kModifying, P("file")}));
    EXPECT_THAT(open_yet, Not(Contains(WatchEvent{Kind::kChanged, P("file")})));
  }
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("file")}));
}

TEST_F(InotifyWatcherTest, RenamesDeletionsAndAttributesAreChanges) {
  tree_.Write("file", "x");
  Events();
  tree_.Rename("file", "renamed");
  auto events = Events();
  EXPECT_THAT(events, Contains(WatchEvent{Kind::kChanged, P("file")}));
  EXPECT_THAT(events, Contains(WatchEvent{Kind::kChanged, P("renamed")}));
  tree_.Chmod("renamed", 0600);
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("renamed")}));
  tree_.Delete("renamed");
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("renamed")}));
  tree_.Mkdir("directory");
  Events();
  tree_.Chmod("directory", 0700);
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("directory")}));
  tree_.Delete("directory");
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("directory")}));
}

TEST_F(InotifyWatcherTest, LinksAreTold) {
  tree_.Write("file", "x");
  Events();
  tree_.Symlink("file", "symlink");
  ASSERT_EQ(link(tree_.At("file").c_str(), tree_.At("hardlink").c_str()), 0);
  std::vector<std::string> paths;
  for (const WatchEvent& event : Events()) paths.push_back(event.path.bytes());
  EXPECT_THAT(paths, Contains("symlink"));
  EXPECT_THAT(paths, Contains("hardlink"));
}

TEST_F(InotifyWatcherTest, WatchingBeforeListingMissesNothing) {
  for (int round = 0; round < 50; ++round) {
    const std::string directory = "directory" + std::to_string(round);
    std::thread maker([&] {
      tree_.Mkdir(directory);
      for (int i = 0; i < 5; ++i) tree_.Write(directory + "/" + std::to_string(i), "x");
    });
    EventsUntil({Kind::kDirectory, P(directory)});
    Watch(directory);
    std::vector<std::string> seen;
    const Listing listing = location_->List(P(directory)).value();
    for (const LocalEntry& entry : listing.entries) {
      seen.push_back(entry.path.bytes());
    }
    maker.join();
    for (const WatchEvent& event : Events()) seen.push_back(event.path.bytes());
    for (int i = 0; i < 5; ++i) {
      ASSERT_THAT(seen, Contains(directory + "/" + std::to_string(i)));
    }
  }
}

TEST_F(InotifyWatcherTest, AMovedDirectoryIsFollowedOnceItIsWatchedAgain) {
  tree_.Mkdir("a");
  tree_.Mkdir("a/sub");
  Watch("a");
  Watch("a/sub");
  tree_.Rename("a", "b");
  const auto events = Events();
  EXPECT_THAT(events, Contains(WatchEvent{Kind::kChanged, P("a")}));
  EXPECT_THAT(events, Contains(WatchEvent{Kind::kDirectory, P("b")}));
  tree_.Write("b/before", "x");
  EXPECT_THAT(Events(), IsEmpty());
  Watch("b");
  Watch("b/sub");
  tree_.Write("b/sub/file", "x");
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("b/sub/file")}));
  // Another directory of the old name is its own.
  tree_.Mkdir("a");
  Watch("a");
  tree_.Write("a/file", "x");
  tree_.Write("b/file", "x");
  const auto both = Events();
  EXPECT_THAT(both, Contains(WatchEvent{Kind::kChanged, P("a/file")}));
  EXPECT_THAT(both, Contains(WatchEvent{Kind::kChanged, P("b/file")}));
}

TEST_F(InotifyWatcherTest, AScanMaySetWatchesBeforeTheMoveIsRead) {
  tree_.Mkdir("a");
  tree_.Mkdir("a/sub");
  Watch("a");
  Watch("a/sub");
  tree_.Rename("a", "b");
  tree_.Mkdir("a");
  // A scan that runs now knows the new names; the events of the move come after it.
  Watch("a");
  Watch("b");
  Watch("b/sub");
  for (const WatchEvent& event : Events()) {
    if (event.kind == Kind::kDirectory) Watch(event.path.bytes());
  }
  for (const char* path : {"a/file", "b/file", "b/sub/file"}) {
    tree_.Write(path, "x");
    EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P(path)}));
  }
}

TEST_F(InotifyWatcherTest, WhatMovedOutIsSilent) {
  tree_.Mkdir("a");
  Watch("a");
  ASSERT_EQ(rename(tree_.At("a").c_str(), outside_.At("a").c_str()), 0);
  Events();
  outside_.Write("a/file", "x");
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(InotifyWatcherTest, TheStateDirectoryIsSilent) {
  const auto staged = StageBytes(*location_, "x");
  tree_.Write(".syncagent/state.db", "x");
  tree_.Chmod(".syncagent", 0700);
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(InotifyWatcherTest, InstallingIsToldLikeAnyChange) {
  const auto result = InstallBytes(*location_, "file", "x", std::nullopt);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Events(), Contains(WatchEvent{Kind::kChanged, P("file")}));
}

TEST_F(InotifyWatcherTest, WatchingAgainIsHarmless) {
  Watch("");
  Watch("");
  tree_.Mkdir("directory");
  const auto events = EventsUntil({Kind::kDirectory, P("directory")});
  EXPECT_THAT(events, IsEmpty());
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(InotifyWatcherTest, OnlyDirectoriesInsideAreWatched) {
  tree_.Write("file", "x");
  tree_.Symlink(outside_.path(), "link");
  EXPECT_EQ(watcher_->Watch(P("missing")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(watcher_->Watch(P("file")).ok());
  EXPECT_FALSE(watcher_->Watch(P("link")).ok());
  EXPECT_FALSE(watcher_->Limited());
}

TEST_F(InotifyWatcherTest, TheRootGoingIsTold) {
  ASSERT_EQ(rename(tree_.path().c_str(), outside_.At("moved").c_str()), 0);
  EventsUntil({Kind::kRootGone, RelPath()});
}

TEST_F(InotifyWatcherTest, TheStateDirectoryGoingIsTheRootGoing) {
  tree_.Rename(".syncagent", "elsewhere");
  EventsUntil({Kind::kRootGone, RelPath()});
}

TEST_F(InotifyWatcherTest, LostEventsAreTold) {
  std::ifstream file("/proc/sys/fs/inotify/max_queued_events");
  int limit = 0;
  file >> limit;
  ASSERT_GT(limit, 0);
  const TemporaryTree quick(TestBases().back());
  const auto location = OpenTree(quick, &clock_);
  const auto watcher = location->NewWatcher();
  ASSERT_TRUE((*watcher)->Watch(RelPath()).ok());
  quick.Write("a", "x");
  quick.Write("b", "x");
  // Two files in turn, so that the kernel does not merge.
  for (int i = 0; i <= limit / 2 + 1; ++i) {
    quick.Chmod("a", 0600);
    quick.Chmod("b", 0600);
  }
  const absl::Time deadline = absl::Now() + kPatience;
  bool overflow = false;
  while (!overflow && absl::Now() < deadline) {
    for (const WatchEvent& event : (*watcher)->Read(kPatience)) {
      overflow = overflow || event.kind == Kind::kOverflow;
    }
  }
  EXPECT_TRUE(overflow);
}

TEST_F(InotifyWatcherTest, TheSystemsLimitIsTold) {
  tree_.Mkdir("a");
  tree_.Mkdir("b");
  EXPECT_TRUE(PassesInChild([&] {
    if (!LimitWatches(2)) return;  // may not be set here
    const auto watcher = location_->NewWatcher();
    EXPECT_TRUE((*watcher)->Watch(RelPath()).ok());
    EXPECT_TRUE((*watcher)->Watch(P("a")).ok());
    EXPECT_FALSE((*watcher)->Limited());
    EXPECT_EQ((*watcher)->Watch(P("b")).status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE((*watcher)->Limited());
  }));
}

TEST_F(InotifyWatcherTest, ReadWaitsNoLongerThanAsked) {
  EXPECT_THAT(watcher_->Read(absl::ZeroDuration()), IsEmpty());
  const absl::Time start = absl::Now();
  EXPECT_THAT(watcher_->Read(absl::Milliseconds(20)), IsEmpty());
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(19));
}

TEST_F(InotifyWatcherTest, InterruptEndsALongRead) {
  std::thread interrupter([&] { watcher_->Interrupt(); });
  EXPECT_THAT(watcher_->Read(absl::InfiniteDuration()), IsEmpty());
  interrupter.join();
}

}  // namespace
}  // namespace filesync
