#include "libs/paths/ignore_rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/base/status.h"

namespace filesync {
namespace {

using enum IgnoreSource;

RelPath P(std::string_view bytes) { return *RelPath::Parse(bytes); }

absl::StatusOr<IgnoreFile> Parse(std::string_view text, IgnoreSource source = kSyncignore) {
  return IgnoreFile::Parse(source, RelPath(), "FILE", text);
}

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<IgnoreFile> file = Parse(text);
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(ToStd(file.status().message()));
}

// The line that decides, 0 when none does.
size_t LineFor(std::string_view path, std::string_view text) {
  const absl::StatusOr<IgnoreFile> file = Parse(text);
  EXPECT_TRUE(file.ok()) << file.status();
  const IgnoreFile::Rule* const rule = file.ok() ? file->LastMatch(path, false) : nullptr;
  return rule == nullptr ? 0 : rule->line;
}

TEST(IgnoreFile, CountsLinesAndTakesTheLastMatch) {
  EXPECT_EQ(LineFor("x", "# c\n\nx\ny\n"), 3u);
  EXPECT_EQ(LineFor("x", "x\n!x\n*\n"), 3u);
  EXPECT_EQ(LineFor("x", "x\ny"), 1u);
  EXPECT_EQ(LineFor("y", "x\ny"), 2u);
  EXPECT_EQ(LineFor("z", "x\ny"), 0u);
  EXPECT_TRUE(Parse("")->empty());
  EXPECT_TRUE(Parse("#\n\n \n")->empty());
}

TEST(IgnoreFile, TakesOneCarriageReturnForPartOfTheLineEnd) {
  EXPECT_EQ(LineFor("x", "x\r\ny\r\n"), 1u);
  EXPECT_EQ(LineFor("y", "x\r\ny\r"), 2u);
  EXPECT_EQ(LineFor("x", "x  \r\n"), 1u);
  EXPECT_EQ(LineFor("x\r", "x\r\r\n"), 1u);
  EXPECT_EQ(LineFor("x\r", "x\r \n"), 1u);
  EXPECT_EQ(LineFor("x", "x\r \n"), 0u);
  EXPECT_TRUE(Parse("\r\n\r\n")->empty());
}

TEST(IgnoreFile, SkipsAByteOrderMarkAtTheStartOnly) {
  EXPECT_EQ(LineFor("x", "\xef\xbb\xbfx\n"), 1u);
  EXPECT_TRUE(Parse("\xef\xbb\xbf# x\n")->empty());
  EXPECT_EQ(LineFor("x", "\n\xef\xbb\xbfx\n"), 0u);
}

TEST(IgnoreFile, RefusesWhatPassesItsLimits) {
  EXPECT_EQ(ErrorOf("x\n" + std::string(4097, 'y') + "\n"),
            "FILE line 2: the pattern has 4097 bytes, more than 4096");
  EXPECT_EQ(ErrorOf(std::string((1 << 20) + 1, '\n')), "FILE has 1048577 bytes, more than 1048576");
  EXPECT_TRUE(Parse(std::string(1 << 20, '\n')).ok());
  std::string many = "# counts only patterns\n";
  for (int i = 0; i < 10'000; ++i) many += "x\n";
  EXPECT_TRUE(Parse(many).ok());
  EXPECT_EQ(ErrorOf(many + "y\n"), "FILE line 10002: the file has more than 10000 patterns");
}

// Rules written down as tests want them; a path with '/' at its end is a directory.
class IgnoreRulesTest : public testing::Test {
 protected:
  static IgnoreFile File(IgnoreSource source, std::string_view directory, std::string_view name,
                         std::string_view text) {
    absl::StatusOr<IgnoreFile> file = IgnoreFile::Parse(source, P(directory), name, text);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  void SetSync(std::string_view directory, std::string_view text) {
    rules_.Set(File(kSyncignore, directory, std::string(directory) + "/.syncignore", text));
  }
  void SetGit(std::string_view directory, std::string_view text) {
    rules_.Set(File(kGitignore, directory, std::string(directory) + "/.gitignore", text));
  }
  Verdict Judge(std::string_view path) const {
    const bool is_directory = path.ends_with('/');
    if (is_directory) path.remove_suffix(1);
    return rules_.Judge(P(path), is_directory);
  }
  bool Ignored(std::string_view path) const { return Judge(path).ignored; }

  IgnoreRules rules_;
};

TEST_F(IgnoreRulesTest, NothingIsIgnoredWithoutRules) {
  EXPECT_EQ(Judge("a/b"), Verdict());
  EXPECT_EQ(Judge("a/"), Verdict());
}

TEST_F(IgnoreRulesTest, SaysWhichRuleDecided) {
  SetSync("d", "# c\n*.o  \n!keep.o\n");
  EXPECT_EQ(Judge("d/e/x.o"), (Verdict{true, false, "d/.syncignore", 2, "*.o"}));
  EXPECT_EQ(Judge("d/keep.o"), (Verdict{false, false, "d/.syncignore", 3, "!keep.o"}));
  EXPECT_EQ(Judge("x.o"), Verdict());
  EXPECT_EQ(Judge("d/x.c"), Verdict());
}

TEST_F(IgnoreRulesTest, NeverIgnoresTheRoot) {
  SetSync("", "*\n/\n");
  rules_.Narrow({P("a")}, {RelPath()});
  EXPECT_EQ(rules_.Judge(RelPath(), true), Verdict());
}

TEST_F(IgnoreRulesTest, NothingBelowAnIgnoredDirectoryIsReincluded) {
  SetSync("", "d/\n!d/x\n");
  SetSync("d", "!x\n");
  EXPECT_EQ(Judge("d/x"), (Verdict{true, false, "/.syncignore", 1, "d/"}));
  EXPECT_TRUE(Ignored("d/e/f"));
  SetSync("", "d/*\n!d/x\n");
  EXPECT_FALSE(Ignored("d/x"));
  EXPECT_TRUE(Ignored("d/y"));
}

TEST_F(IgnoreRulesTest, CountsPatternsFromTheFilesDirectory) {
  SetSync("d", "/x\ne/y\nz\n");
  EXPECT_TRUE(Ignored("d/x") && Ignored("d/e/y") && Ignored("d/q/z"));
  EXPECT_FALSE(Ignored("x") || Ignored("d/d/x") || Ignored("e/y") || Ignored("z") || Ignored("dz"));
}

TEST_F(IgnoreRulesTest, LaterSourcesBeatEarlierOnes) {
  rules_.Set(File(kFolder, "", "folder", "*.a\n"));
  EXPECT_EQ(Judge("x.a").source, "folder");
  rules_.Set(File(kCommandLine, "", "--ignore", "!*.a\n"));
  EXPECT_EQ(Judge("x.a"), (Verdict{false, false, "--ignore", 1, "!*.a"}));
  SetGit("", "x.a\n");
  EXPECT_EQ(Judge("x.a").source, "/.gitignore");
  EXPECT_TRUE(Ignored("x.a"));
  SetSync("", "!x.*\n");
  EXPECT_EQ(Judge("x.a").source, "/.syncignore");
  EXPECT_FALSE(Ignored("x.a"));
  SetGit("d", "x.a\n");
  EXPECT_EQ(Judge("d/x.a").source, "d/.gitignore");
  SetSync("d/e", "!x.a\n");
  EXPECT_FALSE(Ignored("d/e/x.a"));
  EXPECT_TRUE(Ignored("d/x.a"));
}

TEST_F(IgnoreRulesTest, ReplacesAndRemovesFiles) {
  SetSync("d", "x\n");
  SetGit("d", "y\n");
  SetSync("d", "z\n");
  EXPECT_FALSE(Ignored("d/x"));
  EXPECT_TRUE(Ignored("d/y") && Ignored("d/z"));
  rules_.Remove(kSyncignore, P("d"));
  EXPECT_FALSE(Ignored("d/z"));
  EXPECT_TRUE(Ignored("d/y"));
  SetGit("d", "# nothing any more\n");
  EXPECT_FALSE(Ignored("d/y"));
  rules_.Remove(kGitignore, P("d"));
  rules_.Remove(kGitignore, P("e"));
}

TEST_F(IgnoreRulesTest, CopiesAreIndependentAndKeepVerdictsValid) {
  SetSync("", "x\n");
  rules_.Narrow({}, {P("d")});
  const IgnoreRules copy = rules_;
  const Verdict by_pattern = Judge("x");
  const Verdict by_subtree = Judge("d/x");
  rules_.Remove(kSyncignore, RelPath());
  rules_.Narrow({}, {});
  EXPECT_FALSE(Ignored("x") || Ignored("d/x"));
  EXPECT_EQ(copy.Judge(P("x"), false), by_pattern);
  EXPECT_EQ(copy.Judge(P("d/x"), false), by_subtree);
  EXPECT_EQ(by_pattern.text, "x");
  EXPECT_EQ(by_subtree.text, "d");
}

TEST_F(IgnoreRulesTest, MarksWhatMayBeDeletedWithItsDirectory) {
  SetSync("", "(?d)*.tmp\n*.keep\n(?d)junk/\n(?d)!seen.tmp\n");
  EXPECT_EQ(Judge("x.tmp"), (Verdict{true, true, "/.syncignore", 1, "(?d)*.tmp"}));
  EXPECT_FALSE(Judge("x.keep").deletable);
  EXPECT_TRUE(Judge("junk/a/b").deletable);
  EXPECT_EQ(Judge("seen.tmp"), (Verdict{false, false, "/.syncignore", 4, "(?d)!seen.tmp"}));
}

TEST_F(IgnoreRulesTest, ExcludesHideSubtrees) {
  rules_.Narrow({}, {P("a"), P("d/e")});
  EXPECT_EQ(Judge("d/e/"), (Verdict{true, false, "--exclude", 2, "d/e"}));
  EXPECT_EQ(Judge("d/e/f/g").text, "d/e");
  EXPECT_TRUE(Ignored("a"));
  EXPECT_FALSE(Ignored("d/") || Ignored("d/ee") || Ignored("ab") || Ignored("b/a"));
}

TEST_F(IgnoreRulesTest, IncludesHideEverythingElse) {
  rules_.Narrow({P("d/e"), P("b")}, {});
  EXPECT_FALSE(Ignored("d/e/") || Ignored("d/e/f/g") || Ignored("b") || Ignored("b/x"));
  EXPECT_EQ(Judge("d/x"), (Verdict{true, false, "--include", 0, ""}));
  EXPECT_TRUE(Ignored("d/ee") || Ignored("a/") || Ignored("a/d/e"));
  // A directory that leads to a subtree is visible, a file in its place leads nowhere.
  EXPECT_FALSE(Ignored("d/"));
  EXPECT_TRUE(Ignored("d"));
}

TEST_F(IgnoreRulesTest, ExcludedBeatsIncludedAndBothBeatPatterns) {
  SetSync("", "!*\n");
  rules_.Narrow({P("d")}, {P("d/e"), P("")});
  EXPECT_EQ(Judge("d/x").source, "--exclude");
  rules_.Narrow({P("d")}, {P("d/e")});
  EXPECT_EQ(Judge("d/e/x").source, "--exclude");
  EXPECT_EQ(Judge("d/x").source, "/.syncignore");
  EXPECT_EQ(Judge("x").source, "--include");
  SetSync("", "d/x\n");
  EXPECT_TRUE(Ignored("d/x"));
  rules_.Narrow({RelPath()}, {});
  EXPECT_FALSE(Ignored("y"));
}

TEST_F(IgnoreRulesTest, JudgingBelowAVisibleParentIsTheSame) {
  SetSync("", "d/\n*.o\n");
  SetSync("e", "!x.o\n");
  for (const std::string_view path : {"d", "e", "e/x.o", "e/y.o"}) {
    for (const bool is_directory : {false, true}) {
      EXPECT_EQ(rules_.JudgeBelowVisible(P(path), is_directory),
                rules_.Judge(P(path), is_directory));
    }
  }
  EXPECT_EQ(rules_.JudgeBelowVisible(RelPath(), true), Verdict());
}

}  // namespace
}  // namespace filesync
