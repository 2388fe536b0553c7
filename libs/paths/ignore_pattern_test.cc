#include "libs/paths/ignore_pattern.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/base/status.h"

namespace filesync {
namespace {

std::optional<IgnorePattern> Parse(std::string_view line, IgnoreSyntax syntax) {
  absl::StatusOr<std::optional<IgnorePattern>> pattern = IgnorePattern::Parse(line, syntax);
  EXPECT_TRUE(pattern.ok()) << pattern.status();
  return pattern.ok() ? *std::move(pattern) : std::nullopt;
}

IgnorePattern Pattern(std::string_view line, IgnoreSyntax syntax = IgnoreSyntax::kSync) {
  return Parse(line, syntax).value();
}

// A trailing '/' makes a path a directory.
bool Matches(const IgnorePattern& pattern, std::string_view path) {
  const bool is_directory = path.ends_with('/');
  if (is_directory) path.remove_suffix(1);
  return pattern.Matches({path, path.substr(path.rfind('/') + 1), is_directory});
}

void Expect(std::string_view line, const std::vector<std::string_view>& matching,
            const std::vector<std::string_view>& others) {
  const IgnorePattern pattern = Pattern(line);
  for (const auto path : matching) EXPECT_TRUE(Matches(pattern, path)) << line << " : " << path;
  for (const auto path : others) EXPECT_FALSE(Matches(pattern, path)) << line << " : " << path;
}

TEST(IgnorePattern, SkipsCommentsAndBlankLines) {
  for (const std::string_view line : {"", " ", "   ", "#", "# x", "#x/y"}) {
    EXPECT_FALSE(Parse(line, IgnoreSyntax::kSync).has_value()) << line;
  }
  Expect(" #x", {" #x"}, {"#x"});
  EXPECT_EQ(Pattern("!#x").text(), "!#x");
}

TEST(IgnorePattern, EscapesItsFirstByte) {
  Expect("\\#x", {"#x", "d/#x"}, {"\\#x", "x"});
  Expect("\\!x", {"!x"}, {"\\!x", "x"});
  EXPECT_FALSE(Pattern("\\!x").negated());
  EXPECT_TRUE(Pattern("!x").negated());
  Expect("!!x", {"!x"}, {"x", "!!x"});
}

TEST(IgnorePattern, DropsBlanksAtTheEndUnlessEscaped) {
  Expect("x  ", {"x"}, {"x ", "x  "});
  Expect("x\\ ", {"x "}, {"x", "x\\ "});
  Expect("x\\   ", {"x "}, {"x", "x   "});
  Expect("x \\ ", {"x  "}, {"x", "x "});
  Expect("x\t", {"x\t"}, {"x"});
  Expect("x\t ", {"x\t"}, {"x", "x\t "});
  Expect("  x", {"  x"}, {"x"});
  Expect("x/  ", {"x/"}, {"x"});
  EXPECT_EQ(Pattern("x y  ").text(), "x y");
}

TEST(IgnorePattern, NameMatchesAtAnyDepth) {
  Expect("x", {"x", "x/", "d/x", "d/e/x/"}, {"xx", "x.y", "X", "x/y"});
}

TEST(IgnorePattern, TrailingSlashMeansDirectories) {
  Expect("x/", {"x/", "d/x/"}, {"x", "d/x", "x/y/"});
  Expect("d/x/", {"d/x/"}, {"d/x", "e/d/x/"});
}

TEST(IgnorePattern, SlashElsewhereAnchors) {
  Expect("/x", {"x", "x/"}, {"d/x"});
  Expect("d/x", {"d/x"}, {"x", "e/d/x", "d/x/y"});
  Expect("/d/x", {"d/x"}, {"e/d/x"});
  Expect("/*.c", {"x.c"}, {"d/x.c"});
}

TEST(IgnorePattern, MatchesNothingWithEmptyComponents) {
  for (const std::string_view line : {"/", "//", "!", "a//", "a//b", "//a"}) {
    Expect(line, {}, {"a", "a/", "b", "a/b", "a/b/"});
  }
}

TEST(IgnorePattern, StarAndQuestionMarkStopAtSlashes) {
  Expect("*", {"x", "d/x", ".x"}, {});
  Expect("*.o", {"x.o", ".o", "d/x.o", "x.y.o"}, {"x.oo", "xo", "x.o.y"});
  Expect("x*y*z", {"xyz", "xyyz", "xaybz", "xyzz"}, {"xy", "xzy", "xyza"});
  Expect("d/*/x", {"d/e/x"}, {"d/x", "d/e/f/x", "d/e/xx"});
  Expect("d/*", {"d/e", "d/.e"}, {"d/e/f", "d"});
  Expect("d*x/y", {"dx/y", "deex/y"}, {"d/x/y", "dx"});
  Expect("?", {"x", "d/x"}, {"xx"});
  Expect("d?x", {"dex"}, {"d/x", "dx"});
  Expect("d/?", {"d/x"}, {"d/xx"});
}

TEST(IgnorePattern, DoubleStarSpansDirectories) {
  Expect("**/x", {"x", "d/x", "d/e/x"}, {"dx", "d/xx", "x/y"});
  Expect("**/d/x", {"d/x", "e/d/x"}, {"x", "d/e/x", "ed/x"});
  Expect("d/**", {"d/x", "d/e/x"}, {"d", "d/", "e/d/x"});
  Expect("d/**/x", {"d/x", "d/e/x", "d/e/f/x"}, {"dx", "d/ex", "x"});
  Expect("d/**/x/**/y", {"d/x/y", "d/a/x/b/c/y", "d/x/x/y"}, {"d/y", "d/x", "d/xy"});
  Expect("**/*a/b", {"a/b", "ca/b", "d/xa/b"}, {"d/x/b", "a/c/b"});
  Expect("**/", {"d/", "e/d/"}, {"d"});
  Expect("**", {"x", "d/x"}, {});
  Expect("d/**/*.o", {"d/x.o", "d/e/x.o"}, {"x.o", "d/x.oo"});
  Expect("***/x", {"x", "d/e/x"}, {});
}

TEST(IgnorePattern, DoubleStarBesideOtherBytesIsOneStar) {
  Expect("a**b", {"ab", "axxb"}, {"a"});
  Expect("/*a**b", {"ab", "xaxb"}, {"a/b", "xa/xb"});
  Expect("d/**x/y", {"d/x/y", "d/exx/y"}, {"d/e/x/y"});
  Expect("d/*x**/y", {"d/x/y", "d/axb/y"}, {"d/x/e/y"});
}

TEST(IgnorePattern, DoubleStarBehindALiteralStartIsWide) {
  // Nobody meant this, but it is what git does.
  Expect("a**/b", {"a/b", "ab", "ac/d/b", "acb/b"}, {"acb", "b"});
  Expect("d/a**", {"d/a", "d/ab", "d/ab/c"}, {"d/b", "d"});
}

TEST(IgnorePattern, SetsOfBytes) {
  Expect("[abc]", {"a", "c", "d/b"}, {"d", "ab"});
  Expect("[a-c]x", {"ax", "cx"}, {"dx", "-x", "x"});
  Expect("[!a-c]", {"d", "!", "^"}, {"a", "b"});
  Expect("[^a-c]", {"d", "!"}, {"a", "b"});
  Expect("[]]", {"]"}, {"["});
  Expect("[!]]", {"a"}, {"]"});
  Expect("[]-a]", {"]", "^", "_", "a"}, {"-", "b"});
  Expect("[a-]", {"a", "-"}, {"b"});
  Expect("[-a]", {"a", "-"}, {"b"});
  Expect("[a-c-e]", {"b", "-", "e"}, {"d"});
  Expect("[c-a]", {"c"}, {"a", "b", "-"});
  Expect("[\\]x]", {"]", "x"}, {"\\"});
  Expect("[\\-x]", {"-", "x"}, {"\\", "a"});
  Expect("[a-\\c]", {"b", "c"}, {"\\", "-"});
  Expect("[*?]", {"*", "?"}, {"a", ""});
  Expect("[\xe4-\xf0]", {"\xe5"}, {"\xe0", "\xf1"});
  Expect("a[b/]c", {"abc"}, {"a/c", "d/abc"});
  Expect("a[!b]c/d", {"axc/d"}, {"abc/d", "a/c/d"});
}

TEST(IgnorePattern, NamedSets) {
  Expect("[[:alpha:]]", {"a", "Z"}, {"1", "_", ":", "\xe4"});
  Expect("[[:digit:]x]", {"7", "x"}, {"a"});
  Expect("[![:upper:]]", {"a", "1"}, {"A"});
  Expect("[[:xdigit:][:space:]]", {"f", "F", " ", "\t"}, {"g", "\v", "\f"});
  Expect("[[:alpha:]-z]", {"q", "-", "z"}, {"{"});
  Expect("[[:]", {"[", ":"}, {"a"});
  Expect("[[:alpha]", {"[", ":", "a", "l", "p", "h"}, {"z", "]"});
  Expect("[[:]]", {"[]", ":]"}, {"[", "a"});
}

TEST(IgnorePattern, MalformedMatchesNothing) {
  for (const std::string_view line : {"[", "[a", "[!", "[]", "[a-", "[[:alpha:]", "[[:nope:]]",
                                      "[[:ALPHA:]]", "[[::]]", "a[", "[a\\", "[a-\\"}) {
    Expect(line, {}, {line, "[", "a", "a[", "]", "-", "!", "n", ":"});
  }
  Expect("a\\", {}, {"a", "a\\", "\\"});
  Expect("a\\/", {}, {"a", "a/", "a\\/"});
  Expect("**/[", {}, {"[", "d/["});
}

TEST(IgnorePattern, BackslashTakesTheNextByteAsItIs) {
  Expect("\\*", {"*"}, {"a", "\\*"});
  Expect("a\\?b", {"a?b"}, {"axb"});
  Expect("\\[a]", {"[a]"}, {"a"});
  Expect("\\a", {"a"}, {"\\a"});
  Expect("a\\\\b", {"a\\b"}, {"ab"});
  Expect("d\\/x", {}, {"e/d/x"});
  Expect("**\\/x", {"d/x", "d/e/x"}, {"x"});
}

TEST(IgnorePattern, PathsAreBytes) {
  Expect("\xff?", {"\xff\xfe", "\xff\x01"}, {"\xff"});
  Expect("k?se", {}, {"käse"});
  Expect("k??se", {"käse"}, {});
  Expect("K", {"K"}, {"k"});
  Expect("a\r", {"a\r"}, {"a"});
  Expect(std::string_view("a\0b", 3), {"a"}, {"b"});
}

TEST(IgnorePattern, DeletablePrefixStandsFirstOrMeansNothing) {
  const IgnorePattern plain = Pattern("(?d)*.tmp");
  EXPECT_TRUE(plain.deletable());
  EXPECT_TRUE(Matches(plain, "x.tmp"));
  EXPECT_EQ(plain.text(), "(?d)*.tmp");
  const IgnorePattern negated = Pattern("(?d)!x");
  EXPECT_TRUE(negated.deletable() && negated.negated());
  EXPECT_TRUE(Matches(negated, "x"));
  const IgnorePattern late = Pattern("!(?d)x");
  EXPECT_FALSE(late.deletable());
  EXPECT_TRUE(Matches(late, "(?d)x"));
  EXPECT_FALSE(Matches(late, "x"));
  Expect("(?d)/x/", {"x/"}, {"x", "d/x/"});
  Expect("(?d)#x", {"#x"}, {"x"});
  Expect("\\(?d)x", {"(?d)x"}, {"x"});
}

TEST(IgnorePattern, GitKnowsNoDeletablePrefix) {
  const IgnorePattern pattern = Pattern("(?d)x", IgnoreSyntax::kGit);
  EXPECT_FALSE(pattern.deletable());
  EXPECT_TRUE(Matches(pattern, "(?d)x"));
  EXPECT_FALSE(Matches(pattern, "x"));
}

TEST(IgnorePattern, RefusesALineThatIsTooLong) {
  EXPECT_TRUE(Parse(std::string(4096, 'x'), IgnoreSyntax::kSync).has_value());
  const auto refused = IgnorePattern::Parse(std::string(4097, 'x'), IgnoreSyntax::kSync);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ToStd(refused.status().message()), "the pattern has 4097 bytes, more than 4096");
  EXPECT_FALSE(Parse("#" + std::string(5000, 'x'), IgnoreSyntax::kSync).has_value());
}

std::string Repeat(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

// A matcher that tries every way to share the text among wildcards takes longer than the universe
// will last for each of these.
TEST(IgnorePattern, HostilePatternsAreNoWork) {
  const std::string name(255, 'a');
  const std::string deep = Repeat("a/", 127) + "a";
  const std::string wide = Repeat(name + "/", 15) + name;
  EXPECT_FALSE(Matches(Pattern(Repeat("a*", 60) + "b"), name));
  EXPECT_FALSE(Matches(Pattern(Repeat("a*", 60) + "?[b]"), name));
  EXPECT_TRUE(Matches(Pattern(Repeat("a*", 60) + "[a]*"), name));
  EXPECT_FALSE(Matches(Pattern(Repeat("*[a]?", 60) + "[b]*"), name));
  EXPECT_FALSE(Matches(Pattern(Repeat("**/", 60) + "x"), deep));
  EXPECT_FALSE(Matches(Pattern(Repeat("**/?/", 40) + "[b]*"), deep));
  EXPECT_TRUE(Matches(Pattern(Repeat("**/a/", 60) + "[a]*"), deep));
  EXPECT_FALSE(Matches(Pattern("/" + Repeat("**/*a*a*/", 8) + "[b]*/**/[a]"), wide));
  EXPECT_FALSE(Matches(Pattern("**/" + Repeat("*[a]", 1000) + "[b]*"), wide));
  EXPECT_FALSE(Matches(Pattern("a**\\/" + Repeat("*[a]", 1000) + "[b]*"), wide));
}

}  // namespace
}  // namespace filesync
