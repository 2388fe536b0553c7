#include "agent/hooks/hook_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "libs/base/unique_fd.h"

namespace filesync {
namespace {

using testing::HasSubstr;

HookRun Shell(const std::string& script) {
  HookRun run;
  run.arguments = {"sh", "-c", script};
  run.environment = {"PATH=/usr/bin:/bin"};
  run.time_limit = absl::Seconds(60);
  return run;
}

HookResult RunIt(const HookRun& run) {
  const absl::StatusOr<HookResult> result = RunHookProcess(run);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(HookResult());
}

bool Gone(const std::string& pid_text) {
  int pid = 0;
  if (!absl::SimpleAtoi(pid_text, &pid)) return false;
  for (int i = 0; i < 3000; ++i) {
    if (kill(pid, 0) != 0) return true;
    // Dead and not waited for by init yet.
    const std::string stat = [&] {
      std::string text(4096, '\0');
      FILE* file = fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
      if (file == nullptr) return std::string();
      text.resize(fread(text.data(), 1, text.size(), file));
      fclose(file);
      return text;
    }();
    if (stat.empty() || stat.find(") Z") != std::string::npos) return true;
    usleep(10'000);
  }
  return false;
}

TEST(HookProcessTest, GetsItsInputAndTellsItsOutputAndCode) {
  HookRun run = Shell("cat; echo err >&2; exit 3");
  run.input = "one\ntwo\n";
  const HookResult result = RunIt(run);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "one\ntwo\nerr\n");
  EXPECT_FALSE(result.timed_out);
}

TEST(HookProcessTest, NeedNotReadItsInputHoweverLarge) {
  const std::string input(8 << 20, 'x');
  HookRun run = Shell("exit 0");
  run.input = input;
  EXPECT_EQ(RunIt(run).exit_code, 0);
  run = Shell("wc -c");
  run.input = input;
  EXPECT_EQ(RunIt(run).output, "8388608\n");
  // By name as well.
  run = Shell("wc -c < /dev/stdin");
  run.input = input;
  EXPECT_EQ(RunIt(run).output, "8388608\n");
}

TEST(HookProcessTest, SeesOnlyTheEnvironmentAndFilesItIsGiven) {
  const UniqueFd leaked(dup(STDIN_FILENO));
  HookRun run = Shell("echo $A $HOME; ls /proc/self/fd | wc -l");
  run.environment.push_back("A=b c");
  // Its own three, and the one that lists.
  EXPECT_EQ(RunIt(run).output, "b c\n4\n");
}

TEST(HookProcessTest, SignalsAreAsTheyAreByDefault) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  signal(SIGPIPE, SIG_IGN);
  const HookResult result = RunIt(Shell("kill -TERM $$; sleep 60"));
  signal(SIGPIPE, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_EQ(result.exit_code, -1);
}

TEST(HookProcessTest, MuchOutputIsReadAndOnlyItsBeginningKept) {
  const HookResult result = RunIt(Shell("head -c 5000000 /dev/zero | tr '\\0' x"));
  EXPECT_EQ(result.output, std::string(kMostHookOutput, 'x'));
  EXPECT_EQ(result.output_bytes, 5'000'000);
}

TEST(HookProcessTest, WhenItsTimeIsUpItsWholeGroupIsKilled) {
  HookRun run = Shell("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 1000' & sleep 1000");
  run.time_limit = absl::Milliseconds(500);
  const HookResult result = RunIt(run);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_TRUE(Gone(result.output.substr(0, result.output.find('\n')))) << result.output;
}

TEST(HookProcessTest, OneThatWritesWithoutEndIsEndedAsWell) {
  HookRun run = Shell("yes");
  run.time_limit = absl::Milliseconds(500);
  const HookResult result = RunIt(run);
  EXPECT_TRUE(result.timed_out);
  EXPECT_GT(result.output_bytes, kMostHookOutput);
}

TEST(HookProcessTest, WhatItLeavesRunningHoldsNobodyUp) {
  const HookResult result = RunIt(Shell("sleep 1000 & echo $!"));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_FALSE(result.timed_out);
  int pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(result.output, &pid));
  EXPECT_EQ(kill(pid, SIGKILL), 0);
}

TEST(HookProcessTest, AStopEndsItAfterItsGrace) {
  const UniqueFd stop(eventfd(1, 0));
  HookRun run = Shell("sleep 1000");
  run.stop_fd = stop.get();
  const HookResult result = RunIt(run);
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.signal, SIGTERM);
  // What ends by itself soon is let.
  run = Shell("echo done");
  run.stop_fd = stop.get();
  EXPECT_EQ(RunIt(run).output, "done\n");
}

TEST(HookProcessTest, WhatCanNotBeStartedIsAnError) {
  HookRun run = Shell("");
  run.arguments = {"/no/such/program"};
  const absl::Status status = RunHookProcess(run).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(ToStd(status.message()), HasSubstr("/no/such/program"));
  run.arguments = {"/etc/passwd"};
  EXPECT_FALSE(RunHookProcess(run).ok());
}

}  // namespace
}  // namespace filesync
