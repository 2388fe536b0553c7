#include "services/syncd/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <sstream>

#include "libs/base/version.h"

namespace filesync {
namespace {

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override { Clear(); }
  void TearDown() override { Clear(); }
  void Clear() {
    for (const char* name : {"SYNCD_LISTEN", "SYNCD_DATA", "SYNCD_HTTP", "SYNCD_LOG_LEVEL",
                             "SYNCD_FORGET_AGENTS_AFTER"}) {
      unsetenv(name);
    }
  }
  CommandLine Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "syncd");
    out_.str("");
    err_.str("");
    return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), out_, err_);
  }
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ConfigTest, DefaultsListenOnTheLoopbackOnly) {
  const CommandLine line = Parse({});
  EXPECT_EQ(line.command, CommandLine::Command::kServe);
  EXPECT_EQ(line.config.listen.ToString(), "127.0.0.1:50051");
  ASSERT_TRUE(line.config.http.has_value());
  EXPECT_EQ(line.config.http->ToString(), "127.0.0.1:9464");
  EXPECT_EQ(line.config.log_level, LogLevel::kInfo);
  EXPECT_TRUE(line.config.data.ends_with("/filesync"));
}

TEST_F(ConfigTest, TheTimeAfterWhichAgentsAreForgotten) {
  EXPECT_EQ(Parse({}).config.forget_agents_after, absl::Hours(24 * 400));
  const std::pair<const char*, absl::Duration> texts[] = {{"30d", absl::Hours(24 * 30)},
                                                          {"36h", absl::Hours(36)},
                                                          {"1h30m", absl::Minutes(90)},
                                                          {"2s", absl::Seconds(2)},
                                                          {"never", absl::InfiniteDuration()}};
  for (const auto& [text, expected] : texts) {
    EXPECT_EQ(Parse({"--forget-agents-after", text}).config.forget_agents_after, expected) << text;
  }
  for (const char* wrong : {"", "0", "0d", "5", "-3h", "500ms", "40000d", "d", "inf", "soon"}) {
    EXPECT_EQ(Parse({"--forget-agents-after", wrong}).exit_code, 2) << wrong;
    EXPECT_NE(err_.str().find("--forget-agents-after"), std::string::npos) << err_.str();
  }
}

TEST_F(ConfigTest, FlagsBeatTheEnvironment) {
  setenv("SYNCD_LISTEN", "0.0.0.0:1", 1);
  setenv("SYNCD_DATA", "/from/environment", 1);
  setenv("SYNCD_HTTP", "off", 1);
  setenv("SYNCD_LOG_LEVEL", "error", 1);
  CommandLine line = Parse({});
  EXPECT_EQ(line.config.listen.ToString(), "0.0.0.0:1");
  EXPECT_EQ(line.config.data, "/from/environment");
  EXPECT_FALSE(line.config.http.has_value());
  EXPECT_EQ(line.config.log_level, LogLevel::kError);
  line = Parse({"--listen", "[::1]:2", "--data=/from/flag", "--http", "h:3", "--log-level=debug"});
  EXPECT_EQ(line.config.listen.ToString(), "[::1]:2");
  EXPECT_EQ(line.config.data, "/from/flag");
  EXPECT_EQ(line.config.http->ToString(), "h:3");
  EXPECT_EQ(line.config.log_level, LogLevel::kDebug);
}

TEST_F(ConfigTest, MistakesExitWith2AndNameTheFlag) {
  const std::pair<std::vector<const char*>, const char*> mistakes[] = {
      {{"--listen", "nowhere"}, "--listen"},    {{"--http", "9464"}, "--http"},
      {{"--log-level", "loud"}, "--log-level"}, {{"--data", ""}, "--data"},
      {{"--no-such-flag"}, "no-such-flag"},     {{"serve"}, "serve"},
  };
  for (const auto& [arguments, name] : mistakes) {
    const CommandLine line = Parse(arguments);
    EXPECT_EQ(line.command, CommandLine::Command::kExit) << name;
    EXPECT_EQ(line.exit_code, 2) << name;
    EXPECT_NE(err_.str().find(name), std::string::npos) << err_.str();
  }
}

TEST_F(ConfigTest, HelpAndVersionExitWith0) {
  EXPECT_EQ(Parse({"--help"}).exit_code, 0);
  EXPECT_NE(out_.str().find("SYNCD_DATA"), std::string::npos);
  EXPECT_EQ(Parse({"--version"}).exit_code, 0);
  EXPECT_EQ(out_.str(), std::string("syncd ") + kVersion + "\n");
}

TEST_F(ConfigTest, HealthCheckTakesTheSameFlags) {
  const CommandLine line = Parse({"healthcheck", "--listen", "127.0.0.1:7"});
  EXPECT_EQ(line.command, CommandLine::Command::kHealthCheck);
  EXPECT_EQ(line.config.listen.port, 7);
}

}  // namespace
}  // namespace filesync
