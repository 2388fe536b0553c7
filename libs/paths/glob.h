// Glob: one wildcard pattern, compiled; it means what git's wildmatch makes of it.
//
//   *       any bytes but '/'            ?      one byte but '/'
//   [a-z]   one byte of a set, never '/'; [!...] and [^...] negate, [[:alpha:]] names ASCII sets
//   \x      the byte x
//   **/     no directories or any number of them, at the start or after a '/'
//   /**     anything, at the end; everywhere else "**" is "*"
//
// An unclosed '[', an unknown [:name:] and a '\' at the end match nothing. Matching never
// backtracks past the last wildcard of its kind: at worst it takes as many steps as the pattern has
// bytes, times the text's, times the text's depth. Immutable, hence thread-safe.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace filesync {

class Glob {
 public:
  // Any bytes, at most 64 KiB of them (as many sets can be told apart).
  explicit Glob(std::string_view pattern);

  // `text` is a name, or a path without '/' at either end.
  bool Matches(std::string_view text) const;

 private:
  using ByteSet = std::bitset<256>;

  enum class Kind : uint8_t {
    kByte,         // exactly `value`
    kNotSlash,     // one byte but '/'
    kSet,          // one byte of sets_[value]
    kStar,         // any bytes but '/'
    kAnything,     // any bytes
    kDirectories,  // nothing, or any bytes that end in '/'
  };
  struct Token {
    Kind kind;
    uint16_t value = 0;
  };

  class Compiler;
  class Matcher;

  // What the pattern starts and ends with, literally, and what stands between: most texts are
  // told apart by a comparison of bytes.
  std::string prefix_;
  std::vector<Token> tokens_;
  std::string suffix_;
  std::vector<ByteSet> sets_;
  bool malformed_ = false;
};

}  // namespace filesync
