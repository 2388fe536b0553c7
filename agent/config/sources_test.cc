#include "agent/config/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "libs/base/files.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SourcesTest : public testing::Test {
 protected:
  SourcesTest() {
    char name[] = "/tmp/filesync_sources_XXXXXX";
    directory_ = mkdtemp(name);
    flags_["env-file"] = {{directory_ + "/env"}, "--env-file"};
    flags_["config"] = {{directory_ + "/c.toml"}, "--config"};
    Write("env", "");
    Write("c.toml", "");
  }
  ~SourcesTest() override {
    for (const char* name : {"/env", "/c.toml"}) unlink((directory_ + name).c_str());
    rmdir(directory_.c_str());
  }

  void Write(const std::string& name, std::string_view text) {
    const absl::StatusOr<UniqueFd> directory = OpenDirectory(directory_);
    ASSERT_TRUE(directory.ok());
    ASSERT_TRUE(ReplaceFile(directory->get(), name, text).ok());
  }

  Setting Get(std::string_view name, const FolderTable* folder = nullptr) {
    std::vector<const char*> environment = environment_;
    environment.push_back(nullptr);
    absl::StatusOr<Sources> sources = ReadSources(flags_, environment.data());
    EXPECT_TRUE(sources.ok()) << sources.status();
    if (!sources.ok()) return {};
    sources_ = *std::move(sources);
    if (folder == nullptr && !sources_.file.folders.empty()) folder = &sources_.file.folders[0];
    return Effective(sources_, *FindSetting(name), folder);
  }

  std::string directory_;
  Layer flags_;
  std::vector<const char*> environment_;
  Sources sources_;
};

TEST_F(SourcesTest, TheStrongestSourceDecides) {
  EXPECT_THAT(Get("mode").texts, ElementsAre("two-way"));
  EXPECT_EQ(Get("mode").where, "default");
  Write("c.toml", "mode = 'a'\n");
  EXPECT_THAT(Get("mode").texts, ElementsAre("a"));
  Write("c.toml", "mode = 'a'\n[[folder]]\ndirectory = 'x'\nmode = 'b'\n");
  EXPECT_THAT(Get("mode").texts, ElementsAre("b"));
  EXPECT_THAT(Get("mode").where, HasSubstr("c.toml:4"));
  Write("env", "SYNCAGENT_MODE=c\n");
  EXPECT_THAT(Get("mode").texts, ElementsAre("c"));
  environment_.push_back("SYNCAGENT_MODE=d");
  EXPECT_THAT(Get("mode").texts, ElementsAre("d"));
  EXPECT_EQ(Get("mode").where, "SYNCAGENT_MODE");
  flags_["mode"] = {{"e"}, "--mode"};
  EXPECT_THAT(Get("mode").texts, ElementsAre("e"));
}

TEST_F(SourcesTest, EverySettingIsReachableFromEverySource) {
  for (const OptionDefinition& option : Settings()) {
    if (option.kind == ValueKind::kFile) continue;  // these name the files
    const bool is_switch = option.kind == ValueKind::kSwitch;
    const std::string variable =
        fmt::format("{}={}", EnvironmentName(option), is_switch ? "true" : "x");
    Write("env", variable);
    EXPECT_THAT(Get(option.name).where, HasSubstr("env:1")) << option.name;
    Write("env", "");
    environment_ = {variable.c_str()};
    EXPECT_EQ(Get(option.name).where, EnvironmentName(option));
    environment_.clear();
    Write("c.toml", fmt::format("{} = {}", TomlKey(option), is_switch ? "true" : "'x'"));
    EXPECT_THAT(Get(option.name).where, HasSubstr("c.toml:1")) << option.name;
    Write("c.toml", "");
  }
}

TEST_F(SourcesTest, AnEmptyVariableIsNone) {
  environment_.push_back("SYNCAGENT_SCHEDULE=");
  EXPECT_THAT(Get("schedule").texts, IsEmpty());
}

TEST_F(SourcesTest, UnknownVariablesAreWarnedOf) {
  environment_.push_back("SYNCAGENT_SERVR=x");
  Get("server");
  ASSERT_EQ(sources_.warnings.size(), 1u);
  EXPECT_THAT(sources_.warnings[0], HasSubstr("SYNCAGENT_SERVR"));
}

TEST_F(SourcesTest, AFileThatIsNamedMustBeThere) {
  const char* const none[] = {nullptr};
  flags_["config"].texts = {directory_ + "/absent"};
  EXPECT_THAT(std::string(ReadSources(flags_, none).status().message()), HasSubstr("--config"));
  flags_["config"].texts = {"none"};
  flags_["env-file"].texts = {directory_};
  EXPECT_THAT(std::string(ReadSources(flags_, none).status().message()),
              HasSubstr("readable file"));
}

TEST_F(SourcesTest, TheStampFollowsTheFiles) {
  Get("mode");
  const std::string before = StampOf(sources_);
  EXPECT_EQ(StampOf(sources_), before);
  Write("c.toml", "mode = 'x'\n");
  EXPECT_NE(StampOf(sources_), before);
}

}  // namespace
}  // namespace filesync
