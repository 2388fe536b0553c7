// SyncManager with a real server: what an embedding program sees of it.
#include "agent/engine/sync_manager.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "tests/integration/server_harness.h"

namespace filesync {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

class SyncManagerTest : public testing::Test {
 protected:
  std::string Directory(const std::string& name) {
    const std::string path = scratch_.path() + "/" + name;
    fs::create_directories(path);
    return path;
  }
  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  SyncLocation Location(const std::string& directory, const std::string& folder) {
    SyncLocation location;
    location.sync.directory = directory;
    location.sync.folder = folder;
    return location;
  }
  std::string server() { return "127.0.0.1:" + std::to_string(harness_.server().port()); }
  std::unique_ptr<SyncManager> Manager(std::vector<SyncLocation> locations,
                                       SyncManagerCallbacks callbacks = {}) {
    SyncManagerOptions options;
    options.server = server();
    options.name = "embedded";
    options.locations = std::move(locations);
    auto manager = SyncManager::Create(std::move(options), std::move(callbacks), &clock_, &log_);
    EXPECT_TRUE(manager.ok()) << manager.status();
    return manager.ok() ? *std::move(manager) : nullptr;
  }
  // In sync with the server, once, by a manager of its own.
  void SyncOnce(const std::string& directory, const std::string& folder) {
    const auto manager = Manager({Location(directory, folder)});
    const auto outcomes = manager->SyncAll(absl::Now() + kPatience);
    ASSERT_EQ(outcomes.size(), 1);
    ASSERT_EQ(outcomes[0].outcome, SyncOutcome::kInSync) << outcomes[0].status.state_text;
  }
  template <typename Condition>
  static bool Eventually(const Condition& condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

  TemporaryDirectory data_;
  TemporaryDirectory scratch_;
  RealClock clock_;
  Logger log_{LogLevel::kOff};
  ServerHarness harness_{data_.path()};
};

TEST_F(SyncManagerTest, SyncAllBringsSeveralLocationsInSyncAndTellsOfEach) {
  const std::string a = Directory("a"), b = Directory("b"), c = Directory("c");
  Write(a + "/one", "1");
  Write(b + "/two", "22");
  {
    const auto manager = Manager({Location(a, "first"), Location(b, "second")});
    const auto outcomes = manager->SyncAll(absl::Now() + kPatience);
    ASSERT_EQ(outcomes.size(), 2);
    EXPECT_EQ(outcomes[0].name.directory, a);
    EXPECT_EQ(outcomes[1].name.folder, "second");
    for (const LocationOutcome& outcome : outcomes) {
      EXPECT_EQ(outcome.outcome, SyncOutcome::kInSync) << outcome.status.state_text;
      EXPECT_EQ(outcome.status.sent, 1);
    }
    // What was changed before a call is there after it, whatever the watcher has told by then.
    for (int i = 0; i < 5; ++i) {
      Write(a + "/again", std::to_string(i));
      ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
      const std::string check = Directory("check" + std::to_string(i));
      SyncOnce(check, "first");
      ASSERT_EQ(Read(check + "/again"), std::to_string(i));
    }
  }
  SyncOnce(c, "second");
  EXPECT_EQ(Read(c + "/two"), "22");
  EXPECT_FALSE(fs::exists(c + "/one"));
}

TEST_F(SyncManagerTest, SyncAllEndsAtItsDeadlineWhenCancelledAndWhenNobodyAnswers) {
  const std::string a = Directory("a");
  const auto manager = Manager({Location(a, "f")});
  harness_.Stop();
  EXPECT_EQ(manager->SyncAll(absl::Now() + absl::Milliseconds(20))[0].outcome,
            SyncOutcome::kUnfinished);
  std::stop_source cancel;
  cancel.request_stop();
  EXPECT_EQ(manager->SyncAll(absl::InfiniteFuture(), cancel.get_token())[0].outcome,
            SyncOutcome::kUnfinished);
  EXPECT_EQ(manager->SyncAll(absl::Now() + 2 * kPatience)[0].outcome, SyncOutcome::kUnreachable);
}

TEST_F(SyncManagerTest, LocationsComeAndGoWhileOthersRun) {
  const std::string a = Directory("a"), b = Directory("b");
  const auto manager = Manager({Location(a, "first")});
  manager->Start();
  ASSERT_TRUE(manager->AddLocation(Location(b, "second")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(manager->AddLocation(Location(b, "second"))));
  EXPECT_TRUE(absl::IsInvalidArgument(manager->AddLocation(Location(a + "/no", "x"))));
  Write(b + "/late", "x");
  ASSERT_TRUE(Eventually([&] { return manager->status(b)->sent == 1; }));
  const std::string before = manager->status(a)->agent_id;
  const uint64_t reconnects = manager->status(a)->reconnects;
  ASSERT_TRUE(manager->RemoveLocation(b).ok());
  EXPECT_TRUE(absl::IsNotFound(manager->RemoveLocation(b)));
  EXPECT_TRUE(absl::IsNotFound(manager->status(b).status()));
  EXPECT_EQ(manager->locations().size(), 1);
  // The directory is free for others, and knows what it was in step with.
  SyncOnce(b, "second");
  Write(a + "/still", "here");
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->sent == 1; }));
  EXPECT_EQ(manager->status(a)->agent_id, before);
  EXPECT_EQ(manager->status(a)->reconnects, reconnects);
}

TEST_F(SyncManagerTest, ALocationIsReplacedByOneWithOtherOptions) {
  const std::string a = Directory("a"), b = Directory("b");
  const auto manager = Manager({Location(a, "first"), Location(b, "second")});
  ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  SyncLocation ignoring = Location(a, "first");
  ignoring.sync.filters.rules.Set(
      *IgnoreFile::Parse(IgnoreSource::kCommandLine, RelPath(), "test", "*.tmp\n"));
  ASSERT_TRUE(manager->ReplaceLocation(ignoring).ok());
  EXPECT_TRUE(absl::IsNotFound(manager->ReplaceLocation(Location(a + "/no", "x"))));
  Write(a + "/x.tmp", "x");
  Write(a + "/y", "y");
  ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  EXPECT_TRUE(manager->ExplainIgnore(a, *RelPath::Parse("x.tmp"), false)->judgement.ignored);
  const std::string c = Directory("c");
  SyncOnce(c, "first");
  EXPECT_TRUE(fs::exists(c + "/y"));
  EXPECT_FALSE(fs::exists(c + "/x.tmp"));
}

TEST_F(SyncManagerTest, WhatCanNotBeOpenedAgainStaysAsAHaltedLocation) {
  const std::string a = Directory("a"), b = Directory("b");
  const auto manager = Manager({Location(a, "first"), Location(b, "second")});
  manager->Start();
  fs::rename(a, a + "-gone");
  EXPECT_FALSE(manager->ReplaceLocation(Location(a, "first")).ok());
  EXPECT_EQ(manager->status(a)->state, SyncState::kHalted);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager->SetPaused(a, true)));
  const auto outcomes = manager->SyncAll(absl::Now() + kPatience);
  EXPECT_EQ(outcomes[0].outcome, SyncOutcome::kHalted);
  EXPECT_EQ(outcomes[1].outcome, SyncOutcome::kInSync);
  fs::rename(a + "-gone", a);
  ASSERT_TRUE(manager->ReplaceLocation(Location(a, "first")).ok());
  EXPECT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
}

TEST_F(SyncManagerTest, PauseHoldsEverythingAndResumeLetsItGo) {
  const std::string a = Directory("a");
  const auto manager = Manager({Location(a, "f")});
  ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  manager->Pause();
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->state == SyncState::kPaused; }));
  Write(a + "/x", "x");
  EXPECT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kPaused);
  EXPECT_EQ(manager->status(a)->sent, 0);
  manager->Resume();
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->sent == 1; }));
}

TEST_F(SyncManagerTest, ARunThatIsAskedForDoesNotWaitForTheSchedule) {
  const std::string a = Directory("a");
  SyncLocation location = Location(a, "f");
  location.schedule = *CronSchedule::Parse("0 0 1 1 *");
  const auto manager = Manager({location});
  manager->Start();
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->state == SyncState::kPaused; }));
  Write(a + "/x", "x");
  ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  EXPECT_EQ(manager->status(a)->sent, 1);
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->state == SyncState::kPaused; }));
  ASSERT_TRUE(manager->SetSchedule(a, std::nullopt).ok());
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->state == SyncState::kInSync; }));
}

TEST_F(SyncManagerTest, LimitsHoldAndAreLiftedForTransfersUnderWayAndForStops) {
  const std::string a = Directory("a");
  std::string noise(4 << 20, '\0');
  uint64_t seed = 1;
  for (char& c : noise) {
    seed = seed * 6364136223846793005u + 1;
    c = static_cast<char>(seed >> 56);
  }
  Write(a + "/large", noise);
  const auto manager = Manager({Location(a, "f")});
  manager->SetLimits(RateTimetable(100), RateTimetable(100));
  EXPECT_EQ(manager->SyncAll(absl::Now() + absl::Seconds(1))[0].outcome, SyncOutcome::kUnfinished);
  manager->SetLimits(RateTimetable(), RateTimetable());
  EXPECT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  manager->SetLimits(RateTimetable(100), RateTimetable(100));
  Write(a + "/more", noise + "more" + noise.substr(0, 2 << 20));
  noise[1000] = 'x';
  std::reverse(noise.begin(), noise.end());
  Write(a + "/other", noise);
  ASSERT_TRUE(Eventually([&] { return manager->status(a)->pending_local > 0; }));
  ASSERT_TRUE(manager->RemoveLocation(a).ok());
}

TEST_F(SyncManagerTest, CallbacksTellEventsStatusesAndProgress) {
  const std::string a = Directory("a"), b = Directory("b");
  for (int i = 0; i < 20; ++i) Write(a + "/f" + std::to_string(i), std::string(50000, 'a' + i));
  absl::Mutex mutex;
  std::vector<std::string> told;
  bool in_sync_after = false;
  ProgressReport last;
  uint64_t most_to_move = 0;
  SyncManagerCallbacks callbacks;
  SyncManager* asked = nullptr;
  callbacks.on_event = [&](const LocationName& name, const SyncEvent& event) {
    // Asking is allowed.
    EXPECT_TRUE(asked->status(name.directory).ok());
    absl::MutexLock lock(&mutex);
    told.push_back(name.folder + ":" + event.path.bytes());
    in_sync_after = false;
  };
  callbacks.on_status = [&](const LocationName& name, const SyncStatus& status) {
    EXPECT_TRUE(asked->status(name.directory).ok());
    absl::MutexLock lock(&mutex);
    if (status.state == SyncState::kInSync) in_sync_after = true;
  };
  callbacks.on_progress = [&](const ProgressReport& report) {
    absl::MutexLock lock(&mutex);
    last = report;
    most_to_move = std::max(most_to_move, report.total.bytes_to_move);
    EXPECT_LE(report.total.bytes_moved, report.total.bytes_to_move);
  };
  const auto manager = Manager({Location(a, "f")}, std::move(callbacks));
  asked = manager.get();
  ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  ASSERT_TRUE(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return last.total.files_moved == 20 && !last.total.Active() && in_sync_after;
  }));
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(told.size(), 20);
  EXPECT_THAT(told, Contains("f:f7"));
  // A scan that was asked for finds once more what the first one found and is under way.
  EXPECT_GE(most_to_move, 20 * 50000);
  EXPECT_LE(most_to_move, 2 * 20 * 50000);
  EXPECT_EQ(last.total.bytes_moved, 20 * 50000);
  EXPECT_FALSE(last.total.eta.has_value());
  ASSERT_EQ(last.locations.size(), 1);
  EXPECT_EQ(last.locations[0].first.directory, a);
  EXPECT_GT(last.total.bytes_saved_by_compression, 0);
}

TEST_F(SyncManagerTest, AfterStopOnlyStatusesAreTold) {
  const std::string a = Directory("a");
  const auto manager = Manager({Location(a, "f")});
  ASSERT_EQ(manager->SyncAll(absl::Now() + kPatience)[0].outcome, SyncOutcome::kInSync);
  manager->Stop();
  manager->Stop();
  EXPECT_EQ(manager->statuses().size(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager->AddLocation(Location(Directory("b"), "g"))));
  SyncOnce(a, "f");
}

}  // namespace
}  // namespace filesync
