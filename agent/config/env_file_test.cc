#include "agent/config/env_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Layer Parse(std::string_view text) {
  absl::StatusOr<Layer> layer = ParseEnvFile(".env", text);
  EXPECT_TRUE(layer.ok()) << layer.status();
  return layer.ok() ? *std::move(layer) : Layer();
}

std::string ErrorOf(std::string_view text) {
  const absl::Status status = ParseEnvFile(".env", text).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(EnvFileTest, ReadsNamesValuesAndWhereTheyStand) {
  const Layer layer = Parse(
      "# first\n\nSYNCAGENT_SERVER=host:1\nexport SYNCAGENT_NAME = laptop  # mine\nOTHER=x\n");
  ASSERT_EQ(layer.size(), 2u);
  EXPECT_THAT(layer.at("server").texts, ElementsAre("host:1"));
  EXPECT_EQ(layer.at("server").where, ".env:3");
  EXPECT_THAT(layer.at("name").texts, ElementsAre("laptop"));
}

TEST(EnvFileTest, QuotesKeepWhatIsInThem) {
  EXPECT_THAT(Parse("SYNCAGENT_LIMIT_UP='08:00 1M # x'").at("limit-up").texts,
              ElementsAre("08:00 1M # x"));
  EXPECT_THAT(Parse(R"(SYNCAGENT_NAME="a\"b\\c$" # comment)").at("name").texts,
              ElementsAre("a\"b\\c$"));
  EXPECT_THAT(Parse("SYNCAGENT_NAME=a#b").at("name").texts, ElementsAre("a#b"));
}

TEST(EnvFileTest, SeveralValuesHaveCommasBetweenThem) {
  EXPECT_THAT(Parse("SYNCAGENT_IGNORE=*.o, b\\,c ,,").at("ignore").texts,
              ElementsAre("*.o", "b,c"));
  EXPECT_THAT(Parse("SYNCAGENT_IGNORE=\"*.o\\nx y\"").at("ignore").texts,
              ElementsAre("*.o", "x y"));
}

TEST(EnvFileTest, SwitchesHaveManyWords) {
  EXPECT_THAT(Parse("SYNCAGENT_USE_GITIGNORE=Yes").at("use-gitignore").texts, ElementsAre("true"));
  EXPECT_THAT(Parse("SYNCAGENT_USE_GITIGNORE=0").at("use-gitignore").texts, ElementsAre("false"));
  EXPECT_THAT(ErrorOf("SYNCAGENT_USE_GITIGNORE=maybe"), HasSubstr("true or false"));
}

TEST(EnvFileTest, NamesOfOlderToolsAreUnderstood) {
  const Layer layer =
      Parse("WATCH_DIR=./x\nIGNORE_PATTERNS=*.tmp,node_modules/\nCOMPRESSION_ENABLED=false\n");
  EXPECT_THAT(layer.at("directory").texts, ElementsAre("./x"));
  EXPECT_THAT(layer.at("ignore").texts, ElementsAre("*.tmp", "node_modules/"));
  EXPECT_THAT(layer.at("compression").texts, ElementsAre("off"));
  EXPECT_FALSE(Parse("COMPRESSION_ENABLED=true").contains("compression"));
}

TEST(EnvFileTest, OurNameBeatsTheOlderOne) {
  EXPECT_THAT(Parse("WATCH_DIR=a\nSYNCAGENT_DIRECTORY=b\n").at("directory").texts,
              ElementsAre("b"));
  EXPECT_THAT(Parse("SYNCAGENT_DIRECTORY=b\nWATCH_DIR=a\n").at("directory").texts,
              ElementsAre("b"));
}

TEST(EnvFileTest, ErrorsNameFileLineAndWhatWasExpected) {
  EXPECT_THAT(ErrorOf("A=1\nnonsense\n"), HasSubstr(".env:2: expected NAME=VALUE"));
  EXPECT_THAT(ErrorOf("A='x"), HasSubstr(".env:1: expected a closing '"));
  EXPECT_THAT(ErrorOf("A='x' y"), HasSubstr("nothing but a comment"));
  EXPECT_THAT(ErrorOf("\n\nSYNCAGENT_SERVR=x"), HasSubstr(".env:3: SYNCAGENT_SERVR is no setting"));
  EXPECT_THAT(ErrorOf(std::string_view("A=\0", 3)), HasSubstr("zero byte"));
}

}  // namespace
}  // namespace filesync
