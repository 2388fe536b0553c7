#include "agent/config/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "agent/config/completion.h"
#include "agent/config/manual.h"

namespace filesync {
namespace {

using testing::HasSubstr;

// A terminal's usual size, less the line that the prompt takes.
void ExpectFitsAScreen(const std::string& text, const std::string& what) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  EXPECT_LE(lines.size() - 1, 23u) << what << ":\n" << text;
  for (const std::string& line : lines) EXPECT_LE(line.size(), 80u) << what << ": " << line;
}

TEST(HelpTest, EachFitsAScreenAndShowsAnExample) {
  ExpectFitsAScreen(ProgramHelp(), "syncagent");
  EXPECT_THAT(ProgramHelp(), HasSubstr("Example: "));
  for (const CommandDefinition& command : Commands()) {
    const std::string text = CommandHelp(command);
    ExpectFitsAScreen(text, std::string(command.name));
    EXPECT_THAT(text, HasSubstr("Example: syncagent"));
  }
  for (const TopicDefinition& topic : Topics()) {
    ExpectFitsAScreen(TopicHelp(topic), std::string(topic.name));
    EXPECT_THAT(TopicHelp(topic), HasSubstr("Example: syncagent"));
  }
}

TEST(HelpTest, EverySettingStandsInExactlyOneTopic) {
  for (const OptionDefinition& option : Settings()) {
    int found = 0;
    for (const TopicDefinition& topic : Topics()) {
      const std::string text = TopicHelp(topic);
      if (text.find("--" + std::string(option.name) + " ") != std::string::npos) ++found;
    }
    EXPECT_EQ(found, 1) << option.name;
  }
}

TEST(HelpTest, NamesLeadToHelp) {
  for (const char* name : {"", "run", "watch", "ignore test", "traffic"}) {
    EXPECT_TRUE(HelpFor(name).has_value()) << name;
  }
  EXPECT_FALSE(HelpFor("nothing").has_value());
}

TEST(HelpTest, CompletionsAndManualNameEverything) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell).value_or("");
    for (const OptionDefinition& option : Settings()) {
      EXPECT_THAT(script, HasSubstr(std::string(option.name))) << shell;
    }
  }
  EXPECT_FALSE(CompletionScript("tcsh").has_value());
  for (const CommandDefinition& command : Commands()) {
    EXPECT_THAT(Reference(), HasSubstr(Usage(command)));
    EXPECT_THAT(ManualPage(), HasSubstr(std::string(command.name)));
  }
}

}  // namespace
}  // namespace filesync
