#include "agent/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  const absl::Status status = ParseConfigFile("c.toml", text).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(ConfigFileTest, ReadsSettingsAndFolders) {
  const absl::StatusOr<ConfigFile> file = ParseConfigFile(
      "c.toml",
      "server = 'host:1'\nmax_delete = 100\nignore = ['*.o']\n[[folder]]\nname = 'docs'\n"
      "directory = '~/docs'\nignore = ['a', 'b']\nuse_gitignore = true\n[[folder]]\n"
      "directory = 'code'\n");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->top.at("server").texts, ElementsAre("host:1"));
  EXPECT_THAT(file->top.at("max-delete").texts, ElementsAre("100"));
  EXPECT_EQ(file->top.at("max-delete").where, "c.toml:2");
  ASSERT_EQ(file->folders.size(), 2u);
  EXPECT_THAT(file->folders[0].values.at("folder").texts, ElementsAre("docs"));
  EXPECT_THAT(file->folders[0].values.at("ignore").texts, ElementsAre("a", "b"));
  EXPECT_THAT(file->folders[0].values.at("use-gitignore").texts, ElementsAre("true"));
  EXPECT_THAT(file->folders[1].values.at("directory").texts, ElementsAre("code"));
}

TEST(ConfigFileTest, ErrorsNameFileLineAndWhatWasExpected) {
  EXPECT_THAT(ErrorOf("server = 'a'\nmode = \n"), HasSubstr("c.toml:2"));
  EXPECT_THAT(ErrorOf("\nservr = 'a'"), HasSubstr("c.toml:2: servr is no setting"));
  EXPECT_THAT(ErrorOf("use_gitignore = 'yes'"),
              HasSubstr("c.toml:1: use_gitignore: expected true"));
  EXPECT_THAT(ErrorOf("ignore = [1.5]"), HasSubstr("expected a text, or a list of texts"));
  EXPECT_THAT(ErrorOf("server = ['a']"), HasSubstr("expected a text, in quotes"));
  EXPECT_THAT(ErrorOf("[[folder]]\nname = 'x'"), HasSubstr("c.toml:1: expected directory"));
  EXPECT_THAT(ErrorOf("[[folder]]\ndirectory = 'x'\nserver = 'y'"),
              HasSubstr("c.toml:3: server holds for all folders"));
  EXPECT_THAT(ErrorOf("config = 'x'"), HasSubstr("is no setting"));
}

}  // namespace
}  // namespace filesync
