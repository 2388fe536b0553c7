// Ignore rules judged by git: random trees with random .gitignore files, every verdict compared
// with `git check-ignore`. FILESYNC_SEED repeats a run.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "libs/paths/ignore_rules.h"

namespace filesync {
namespace {

RelPath P(std::string_view bytes) { return *RelPath::Parse(bytes); }

std::string Joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty()) path += '/';
  return path.append(name);
}

// A directory of files: which paths there are, and the texts of ignore files by their directory.
struct Tree {
  std::map<std::string, bool> paths;  // whether it is a directory
  std::map<std::string, std::string> ignore_files;
};

// What decided: git's answer, and ours put in its words.
struct Decision {
  std::string directory;  // of the ignore file
  std::string line;       // "" when nothing decided
  std::string text;
  bool operator==(const Decision&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Decision& decision) {
  return out << "[" << EscapeForPeople(decision.directory) << "] line " << decision.line << ": "
             << EscapeForPeople(decision.text);
}

uint64_t Seed() {
  const char* const given = getenv("FILESYNC_SEED");
  const uint64_t seed = given == nullptr ? std::random_device()() : strtoull(given, nullptr, 10);
  std::cerr << "FILESYNC_SEED=" << seed << std::endl;
  return seed;
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  size_t Below(size_t limit) { return engine_() % limit; }
  bool OneIn(size_t count) { return Below(count) == 0; }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Tree MakeTree() {
    Tree tree;
    Fill(tree, "", 0);
    std::vector<std::string> directories = {""};
    for (const auto& [path, is_directory] : tree.paths) {
      if (is_directory) directories.push_back(path);
    }
    tree.ignore_files[""] = IgnoreText(tree, "");
    for (size_t i = random_.Below(4); i > 0; --i) {
      const std::string& directory = random_.Of(directories);
      tree.ignore_files[directory] = IgnoreText(tree, directory);
    }
    return tree;
  }

 private:
  void Fill(Tree& tree, const std::string& directory, int depth) {
    for (size_t i = 2 + random_.Below(4); i > 0; --i) {
      const std::string path = Joined(directory, Name());
      const bool is_directory = depth < 3 && random_.OneIn(2);
      if (!tree.paths.emplace(path, is_directory).second) continue;
      if (is_directory) Fill(tree, path, depth + 1);
    }
  }

  std::string Name() {
    static const std::vector<std::string> kNames = {
        "a",   "b",    "ab",       "ba",   "aab", "x.o",  "y.o",   "A",   "#a", "!a",
        "a ",  " a",   "a\\b",     "[a]",  "a*b", "?",    "(?d)a", "a\r", "-",  "]",
        "^b!", "\xff", "\xc3\xa4", "a\nb", "1",   "a\tb", "a:",    "\\",  "{a}"};
    if (!random_.OneIn(6)) return kNames[random_.Below(random_.OneIn(2) ? 8 : kNames.size())];
    std::string name;
    for (size_t i = 1 + random_.Below(4); i > 0; --i) name += random_.Of(kNames);
    return name;
  }

  std::string IgnoreText(const Tree& tree, const std::string& directory) {
    std::vector<std::string> below;
    for (const auto& [path, is_directory] : tree.paths) {
      if (P(path).IsAtOrBelow(P(directory)) && path != directory) {
        below.push_back(path.substr(directory.empty() ? 0 : directory.size() + 1));
      }
    }
    std::string text = random_.OneIn(20) ? "\xef\xbb\xbf" : "";
    for (size_t i = 1 + random_.Below(6); i > 0; --i) {
      text += below.empty() || random_.OneIn(6) ? Noise() : LineFor(random_.Of(below));
      if (random_.OneIn(10)) text += random_.OneIn(2) ? " " : "  ";
      if (random_.OneIn(10)) text += '\r';
      if (i > 1 || !random_.OneIn(4)) text += '\n';
    }
    return text;
  }

  std::string Noise() {
    static const std::vector<std::string> kPieces = {
        "a",     "b",    "*",           "?",          "**",    "/",
        "[",     "]",    "!",           "^",          "-",     "\\",
        "#",     ".",    " ",           "\t",         "/**/",  "**/",
        "[a-b]", "[!a]", "[[:alpha:]]", "[[:nope:]]", "[^-]",  "\r",
        "\xff",  ":",    "(?d)",        "[]",         "[\\]]", std::string(1, '\0')};
    std::string line;
    for (size_t i = random_.Below(7); i > 0; --i) line += random_.Of(kPieces);
    return line;
  }

  // A line that has a chance to match `path`, or a part of it.
  std::string LineFor(std::string path) {
    if (random_.OneIn(3)) path = path.substr(0, path.find('/'));
    if (random_.OneIn(3)) path = path.substr(path.rfind('/') + 1);
    std::string line = random_.OneIn(3) ? "!" : "";
    if (random_.OneIn(5)) line += '/';
    if (random_.OneIn(6)) line += "**/";
    std::istringstream components(path);
    for (std::string component, slash; std::getline(components, component, '/'); slash = "/") {
      line += slash + (random_.OneIn(6) ? "**" : PatternFor(component));
    }
    if (random_.OneIn(10)) line += "/*";
    if (random_.OneIn(10)) line += "/**";
    if (random_.OneIn(5)) line += '/';
    return line;
  }

  std::string PatternFor(const std::string& name) {
    if (random_.OneIn(6)) return "*";
    const bool careless = random_.OneIn(3);
    std::string pattern;
    for (const char c : name) pattern += careless ? std::string(1, c) : PieceFor(c);
    return pattern;
  }

  std::string PieceFor(char c) {
    const std::string byte(1, c);
    switch (random_.Below(16)) {
      case 0:
        return "?";
      case 1:
        return "*";
      case 2:
        return "**";
      case 3:
        return "*" + byte;
      case 4:
        return "[" + byte + "]";
      case 5:
        return "[!" + byte + "]";
      case 6:
        return "[\\" + byte + "x]";
      case 7:
        return "[[:alnum:]" + byte + "]";
      case 8:
        return "[!-~]";
      case 9:
        return "[a-\\z]";
      default:
        return std::string(" #!*?[]\\").find(c) == std::string::npos ? byte : "\\" + byte;
    }
  }

  Random random_;
};

// A repository whose subdirectories are the trees: one git process judges them all.
class GitRepository {
 public:
  GitRepository() {
    std::error_code error;
    const char* const given = getenv("FILESYNC_TEST_TMP");
    const std::filesystem::path base = given != nullptr ? given
                                       : std::filesystem::is_directory("/dev/shm", error)
                                           ? "/dev/shm"
                                           : std::filesystem::temp_directory_path();
    std::string name = base / "filesync-ignore-XXXXXX";
    path_ = mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~GitRepository() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  GitRepository(const GitRepository&) = delete;
  GitRepository& operator=(const GitRepository&) = delete;

  bool Init() { return !path_.empty() && Git("init -q --template="); }

  static std::string DirectoryOf(size_t tree) { return "t" + std::to_string(tree); }

  // Makes the directories and the ignore files. What is not there is for git no directory, so the
  // other files need not be.
  void Write(size_t number, const Tree& tree) const {
    const std::string root = path_ + "/" + DirectoryOf(number);
    std::filesystem::create_directory(root);
    for (const auto& [path, is_directory] : tree.paths) {  // a parent sorts before what is in it
      if (is_directory) std::filesystem::create_directory(root + "/" + path);
    }
    for (const auto& [directory, text] : tree.ignore_files) {
      std::ofstream(root + "/" + directory + "/.gitignore", std::ios::binary) << text;
    }
  }

  // What decided each path, in the order of the trees and their paths.
  std::vector<Decision> Judge(const std::vector<Tree>& trees) {
    std::ofstream input(path_ + "/input", std::ios::binary);
    for (size_t i = 0; i < trees.size(); ++i) {
      for (const auto& path : trees[i].paths) input << DirectoryOf(i) << "/" << path.first << '\0';
    }
    input.close();
    // It fails with 1 when nothing at all is ignored.
    EXPECT_TRUE(Git("check-ignore -v -n --no-index --stdin -z <input >output; test $? -le 1"));
    std::ifstream output(path_ + "/output", std::ios::binary);
    std::vector<Decision> decisions;
    std::string source, line, text, path;
    while (std::getline(output, source, '\0') && std::getline(output, line, '\0') &&
           std::getline(output, text, '\0') && std::getline(output, path, '\0')) {
      decisions.push_back({DirectoryInTree(source), line, text});
    }
    return decisions;
  }

 private:
  // "t7/d/.gitignore" is "d" in its tree.
  static std::string DirectoryInTree(const std::string& source) {
    if (source.empty()) return "";
    const size_t begin = source.find('/'), end = source.rfind('/');
    return begin == end ? "" : source.substr(begin + 1, end - begin - 1);
  }

  // Away from anybody's configuration.
  bool Git(const std::string& arguments) const {
    const std::string command = "cd '" + path_ +
                                "' && env -i PATH=\"$PATH\" HOME=/nonexistent "
                                "GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES=/ git " +
                                arguments;
    return system(command.c_str()) == 0;
  }

  std::string path_;
};

IgnoreRules RulesOf(const Tree& tree) {
  IgnoreRules rules;
  for (const auto& [directory, text] : tree.ignore_files) {
    absl::StatusOr<IgnoreFile> file =
        IgnoreFile::Parse(IgnoreSource::kGitignore, P(directory), directory, text);
    EXPECT_TRUE(file.ok()) << file.status();
    if (file.ok()) rules.Set(*std::move(file));
  }
  return rules;
}

Decision DecisionOf(const Verdict& verdict) {
  return {std::string(verdict.source), verdict.line == 0 ? "" : std::to_string(verdict.line),
          std::string(verdict.text)};
}

std::string Shown(const Tree& tree) {
  std::string shown;
  for (const auto& [directory, text] : tree.ignore_files) {
    shown += "  in [" + EscapeForPeople(directory) + "]: " + EscapeForPeople(text) + "\n";
  }
  return shown;
}

class IgnoreRulesGitTest : public testing::Test {
 protected:
  void SetUp() override {
    if (system("git --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no git to judge";
    ASSERT_TRUE(git_.Init());
  }

  // Compares every verdict, and the short way with the long one.
  void Compare(const std::vector<Tree>& trees) {
    for (size_t i = 0; i < trees.size(); ++i) git_.Write(i, trees[i]);
    const std::vector<Decision> decisions = git_.Judge(trees);
    auto decision = decisions.begin();
    for (const Tree& tree : trees) {
      ASSERT_GE(static_cast<size_t>(decisions.end() - decision), tree.paths.size());
      const IgnoreRules rules = RulesOf(tree);
      for (const auto& [path, is_directory] : tree.paths) {
        const Verdict verdict = rules.Judge(P(path), is_directory);
        ASSERT_EQ(DecisionOf(verdict), *decision++)
            << EscapeForPeople(path) << (is_directory ? "/\n" : "\n") << Shown(tree);
        Count(rules, verdict, P(path), is_directory);
      }
    }
    EXPECT_TRUE(decision == decisions.end());
  }

  void Count(const IgnoreRules& rules, const Verdict& verdict, const RelPath& path,
             bool is_directory) {
    ++judged_;
    ignored_ += verdict.ignored;
    reincluded_ += !verdict.ignored && verdict.line > 0;
    // git's own word for it: the deciding pattern has no '!'.
    EXPECT_EQ(verdict.ignored, verdict.line > 0 && !verdict.text.starts_with('!'));
    if (rules.Judge(path.Parent(), true).ignored) {
      ++below_ignored_;
    } else {
      EXPECT_EQ(rules.JudgeBelowVisible(path, is_directory), verdict);
    }
  }

  GitRepository git_;
  size_t judged_ = 0;
  size_t ignored_ = 0;
  size_t reincluded_ = 0;
  size_t below_ignored_ = 0;
};

TEST_F(IgnoreRulesGitTest, RandomTrees) {
  Generator generator(Seed());
  std::vector<Tree> trees;
  for (int i = 0; i < 3000; ++i) trees.push_back(generator.MakeTree());
  Compare(trees);
  std::cerr << judged_ << " paths: " << ignored_ << " ignored, " << below_ignored_
            << " of them through a parent, " << reincluded_ << " re-included" << std::endl;
  // The trees are worth nothing if patterns miss them.
  EXPECT_GT(ignored_ * 10, judged_);
  EXPECT_GT((judged_ - ignored_) * 10, judged_);
  EXPECT_GT(reincluded_ * 100, judged_);
  EXPECT_GT(below_ignored_ * 100, judged_);
}

// Every byte with every named set, and with sets that start or end oddly.
TEST_F(IgnoreRulesGitTest, SetsOfBytes) {
  Tree all;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') all.paths["_" + std::string(1, static_cast<char>(byte))] = false;
  }
  std::vector<Tree> trees;
  for (const std::string set :
       {"[:alnum:]", "[:alpha:]", "[:blank:]", "[:cntrl:]", "[:digit:]", "[:graph:]",
        "[:lower:]", "[:print:]", "[:punct:]", "[:space:]", "[:upper:]", "[:xdigit:]",
        "[:Alpha:]", "[::]",      "[:",        "[:]",       "[:a]",      "]",
        "]-a",       "!]",        "^]-a",      "-a",        "a-",        "a-c-e",
        "c-a",       "--/",       "\\--a",     "a-\\]",     "[-a",       "[:digit:]-z",
        "!-~",       "!",         "^",         "",          "\x80-\xff", "!\x80-\xff",
        "a/b",       "\\",        "a\\",       "*",         "!a-y",      "a-[:z:]"}) {
    trees.push_back(all);
    trees.back().ignore_files[""] = "_[" + set + "]\n";
  }
  Compare(trees);
}

// Lines of which it is easy to believe something else.
TEST_F(IgnoreRulesGitTest, OddLines) {
  Tree all;
  for (const std::string path : {"a",   "d",  "d/a", "d/e",  "d/e/a", "ab",   "a b",    "a ",
                                 "a\\", "\\", "#a",  "!a",   "a\r",   "a\t",  "a*",     "[",
                                 "[a",  "da", "de",  "de/a", "dx",    "dx/e", "dx/e/a", "(?d)a"}) {
    all.paths[path] =
        path == "d" || path == "d/e" || path == "de" || path == "dx" || path == "dx/e";
  }
  std::vector<Tree> trees;
  for (const std::string line : {"a\r\n",
                                 "a \r\n",
                                 "a\r \n",
                                 "a\\\r\n",
                                 "a\r",
                                 "a\r\r\n",
                                 "a\t",
                                 "a\\ ",
                                 "a\\  ",
                                 "a\\\\ ",
                                 "\\a",
                                 "a\\",
                                 "\\",
                                 "\\\\",
                                 "a\\\\",
                                 "\\#a",
                                 "#a",
                                 "\\!a",
                                 "!a",
                                 "!!a",
                                 "*\n!a",
                                 "*\n!*/",
                                 "d**/a",
                                 "/d**/a",
                                 "**d/a",
                                 "d/**",
                                 "d**",
                                 "/d**",
                                 "d/e**",
                                 "d/**a",
                                 "d/**/a",
                                 "**/a",
                                 "**/e/a",
                                 "d\\/a",
                                 "d/\\**",
                                 "**\\/a",
                                 "d**\\/a",
                                 "d/",
                                 "d//",
                                 "//d",
                                 "/",
                                 "//",
                                 "!",
                                 "! ",
                                 "/d/",
                                 "d/e/",
                                 "*/",
                                 "**/",
                                 "/**/",
                                 "/*/",
                                 "[",
                                 "\\[",
                                 "[a",
                                 "*[",
                                 "a*",
                                 "a\\*",
                                 "(?d)a",
                                 "\xef\xbb\xbf"
                                 "a",
                                 "a\n\xef\xbb\xbf"
                                 "d",
                                 " a",
                                 "\\ a",
                                 "d/*\n!d/e\n",
                                 "d/\n!d/e\n"}) {
    trees.push_back(all);
    trees.back().ignore_files[""] = line;
  }
  Compare(trees);
}

}  // namespace
}  // namespace filesync
