#include "agent/hooks/hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_split.h"

namespace filesync {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

RelPath P(const std::string& path) { return RelPath::Parse(path).value(); }

TEST(HookLineTest, TellsWhatAndWhere) {
  const HookPlace place = {"notes", "/home/me/notes"};
  const absl::Time time = absl::FromUnixMillis(1'795'232'298'056);
  EXPECT_EQ(HookLine({SyncEvent::Kind::kDownloaded, P("a \"b\"\\c"), RelPath(), 7, "new there"},
                     place, time),
            "{\"kind\":\"received\",\"path\":\"a \\\"b\\\"\\\\c\",\"folder\":\"notes\","
            "\"directory\":\"/home/me/notes\",\"time\":\"2026-11-21T03:38:18.056Z\"}\n");
  EXPECT_THAT(HookLine({SyncEvent::Kind::kMovedHere, P("a"), P("b"), 0, "renamed"}, place, time),
              HasSubstr("\"kind\":\"moved\",\"path\":\"a\",\"to\":\"b\","));
  EXPECT_THAT(HookLine({SyncEvent::Kind::kMovedThere, P("a"), P("b"), 0, ""}, place, time),
              HasSubstr("\"kind\":\"moved-there\",\"path\":\"a\",\"to\":\"b\","));
  EXPECT_THAT(HookLine({SyncEvent::Kind::kConflict, P("a"), P("c"), 0, "both"}, place, time),
              HasSubstr("\"kind\":\"conflict\",\"path\":\"a\",\"copy\":\"c\","));
  EXPECT_THAT(HookLine({SyncEvent::Kind::kFailed, P("a"), RelPath(), 0, "no\nspace"}, place, time),
              HasSubstr("\"kind\":\"failed\",\"path\":\"a\",\"reason\":\"no%0Aspace\","));
  // Names that are no text can be had as they are.
  EXPECT_THAT(HookLine({SyncEvent::Kind::kUploaded, P("a\n\xff"), RelPath(), 0, ""}, place, time),
              HasSubstr("\"path\":\"a%0A%FF\",\"path_bytes\":\"YQr/\","));
  EXPECT_THAT(OmittedLine(7, place, time), HasSubstr("\"kind\":\"omitted\",\"count\":7,"));
}

class HooksTest : public testing::Test {
 protected:
  HooksTest() {
    directory_ = (fs::temp_directory_path() / "filesync-hooks-XXXXXX").string();
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  }
  ~HooksTest() override { fs::remove_all(directory_); }

  std::vector<std::string> Lines(const std::string& file) {
    std::ifstream in(directory_ + "/" + file);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }
  std::vector<std::string> Shell(const std::string& script) {
    return {"sh", "-c", "cd " + directory_ + "; " + script};
  }
  static void Wait(const Hooks& hooks) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (!hooks.Idle() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_TRUE(hooks.Idle());
  }
  void WaitForFile(const std::string& file) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (!fs::exists(directory_ + "/" + file) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    EXPECT_TRUE(fs::exists(directory_ + "/" + file));
  }
  SyncEvent Event(SyncEvent::Kind kind, const std::string& path) {
    return {kind, P(path), RelPath(), 0, ""};
  }
  SyncStatus Status(SyncState state, std::string text = "") {
    SyncStatus status;
    status.state = state;
    status.state_text = std::move(text);
    return status;
  }

  std::string directory_;
  RealClock clock_;
  std::string logged_;
  Logger log_{LogLevel::kWarn,
              [this](LogLevel, std::string_view text) { logged_ += std::string(text) + "\n"; }};
  const LocationName name_{"/", "f"};
};

TEST_F(HooksTest, SyncedRunsOnceWhenAllIsInSync) {
  HookOptions options;
  options.on_synced = Shell("cat >> out; echo $SYNCAGENT_HOOK_FOLDER $SYNCAGENT_HOOK_DIR >> runs");
  Hooks hooks(options, &clock_, &log_);
  hooks.OnStatus(name_, Status(SyncState::kInSync));
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kUploaded, "a"));
  hooks.OnStatus(name_, Status(SyncState::kSyncing));
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kDeletedHere, "b"));
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kFailed, "not told"));
  EXPECT_TRUE(hooks.Idle());
  hooks.OnStatus(name_, Status(SyncState::kInSync));
  hooks.OnStatus(name_, Status(SyncState::kInSync));
  Wait(hooks);
  EXPECT_THAT(Lines("runs"), ElementsAre("f /"));
  EXPECT_THAT(Lines("out"), ElementsAre(HasSubstr("\"sent\",\"path\":\"a\""),
                                        HasSubstr("\"deleted-here\",\"path\":\"b\"")));
  EXPECT_EQ(logged_, "");
}

TEST_F(HooksTest, OneAtATimeAndWhatComesMeanwhileGoesToTheNext) {
  HookOptions options;
  options.on_conflict = Shell(
      "echo begin >> runs; touch began; cat >> out; while [ ! -e go ]; do sleep 0.05; done; "
      "echo end >> runs");
  Hooks hooks(options, &clock_, &log_);
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kConflict, "first"));
  WaitForFile("began");
  for (int i = 0; i < 100; ++i) {
    hooks.OnEvent(name_, Event(SyncEvent::Kind::kConflictHeld, "more" + std::to_string(i)));
  }
  EXPECT_THAT(Lines("runs"), ElementsAre("begin"));
  std::ofstream(directory_ + "/go") << "x";
  Wait(hooks);
  EXPECT_THAT(Lines("runs"), ElementsAre("begin", "end", "begin", "end"));
  EXPECT_THAT(Lines("out"), SizeIs(101));
}

TEST_F(HooksTest, ErrorsAndHalts) {
  HookOptions options;
  options.on_error = Shell("cat >> out");
  Hooks hooks(options, &clock_, &log_);
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kUploaded, "fine"));
  hooks.OnEvent(name_, {SyncEvent::Kind::kFailed, P("x"), RelPath(), 0, "no space"});
  Wait(hooks);
  for (int i = 0; i < 3; ++i) {
    hooks.OnStatus(name_, Status(SyncState::kHalted, "halted: the disk is gone: really"));
  }
  Wait(hooks);
  hooks.OnStatus(name_, Status(SyncState::kInSync));
  hooks.OnStatus(name_, Status(SyncState::kHalted, "halted: again"));
  Wait(hooks);
  EXPECT_THAT(Lines("out"),
              ElementsAre(HasSubstr("\"failed\",\"path\":\"x\",\"reason\":\"no space\""),
                          HasSubstr("\"halted\",\"reason\":\"the disk is gone: really\""),
                          HasSubstr("\"halted\",\"reason\":\"again\"")));
}

TEST_F(HooksTest, FailuresAreLoggedInOneBoundedLine) {
  HookOptions options;
  options.on_error = Shell("printf 'bad\\nthing \\033[31m'; head -c 100000 /dev/zero; exit 9");
  Hooks hooks(options, &clock_, &log_);
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kFailed, "x"));
  Wait(hooks);
  hooks.Stop();
  EXPECT_THAT(logged_, HasSubstr("on-error: the hook ended with 9: bad thing %1B[31m"));
  EXPECT_THAT(logged_, HasSubstr("(100015 bytes)"));
  EXPECT_LT(logged_.size(), 4000);
  EXPECT_EQ(std::count(logged_.begin(), logged_.end(), '\n'), 1);
}

TEST_F(HooksTest, MemoryIsBoundedAndWhatFindsNoRoomIsCounted) {
  HookQueue queue("on-synced", Shell("cat >> out"), absl::Seconds(60), &clock_, &log_, 1000);
  const HookPlace place = {"f", "/"};
  for (int i = 0; i < 50; ++i) queue.Add(place, std::string(99, 'x') + "\n");
  queue.Ready(place);
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!queue.Idle() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_THAT(Lines("out"), SizeIs(11));
  EXPECT_THAT(Lines("out").back(), HasSubstr("\"count\":40"));
  // There is room again.
  queue.Add(place, "y\n");
  queue.Ready(place);
  while (!queue.Idle() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_THAT(Lines("out"), SizeIs(12));
}

TEST_F(HooksTest, AStopEndsWhatHangsAndSaysWhatWasNotPassedOn) {
  HookOptions options;
  options.on_conflict = Shell("touch began; sleep 1000");
  Hooks hooks(options, &clock_, &log_);
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kConflict, "first"));
  WaitForFile("began");
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kConflict, "second"));
  hooks.Stop();
  EXPECT_THAT(logged_, HasSubstr("stops before 1 changes in / were passed on"));
  EXPECT_THAT(logged_, HasSubstr("was ended, as the agent stops"));
  hooks.OnEvent(name_, Event(SyncEvent::Kind::kConflict, "third"));
}

}  // namespace
}  // namespace filesync
