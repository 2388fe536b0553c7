#include "agent/hooks/hook_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Words(const std::string& text) {
  const auto words = ParseHookCommand(text);
  EXPECT_TRUE(words.ok()) << text << ": " << words.status();
  return words.value_or(std::vector<std::string>());
}

TEST(HookCommandTest, SplitsAsAShellDoes) {
  EXPECT_THAT(Words("notify-send"), ElementsAre("notify-send"));
  EXPECT_THAT(Words("  a  b\tc "), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Words("a 'b c' \"d e\" f\\ g"), ElementsAre("a", "b c", "d e", "f g"));
  EXPECT_THAT(Words("a ''"), ElementsAre("a", ""));
  EXPECT_THAT(Words("a x'y'\"z\""), ElementsAre("a", "xyz"));
  EXPECT_THAT(Words("sh -c 'jq .path >> $HOME/list; echo `date` | cat *'"),
              ElementsAre("sh", "-c", "jq .path >> $HOME/list; echo `date` | cat *"));
  EXPECT_THAT(Words(R"(a "b\"c\\d\$e\x" \')"), ElementsAre("a", R"(b"c\d$e\x)", "'"));
  EXPECT_THAT(Words("a b#c d~e f=g {h} i!"), ElementsAre("a", "b#c", "d~e", "f=g", "{h}", "i!"));
}

TEST(HookCommandTest, RefusesWhatNeedsAShellOrIsNotWhole) {
  for (const std::string text :
       {"a > b", "a | b", "a; b", "a & b", "a < b", "a $HOME", "a \"$HOME\"", "a `b`", "a \"`b`\"",
        "a *", "a ?", "a [b]", "~/bin/a", "a # b", "a (b)", "a\nb"}) {
    const absl::Status status = ParseHookCommand(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(ToStd(status.message()), HasSubstr("sh -c")) << text;
  }
  for (const std::string text : {"", "  ", "''", "a 'b", "a \"b", "a \\"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseHookCommand(text).status())) << text;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ParseHookCommand(std::string("a\0b", 3)).status()));
}

}  // namespace
}  // namespace filesync
