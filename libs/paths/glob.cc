#include "libs/paths/glob.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"

namespace filesync {
namespace {

// git's own idea of a space: no vertical tab, no form feed.
bool IsSpace(unsigned char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct NamedSet {
  std::string_view name;
  bool (*contains)(unsigned char);
};

constexpr std::array<NamedSet, 12> kNamedSets = {{
    {"alnum", absl::ascii_isalnum},
    {"alpha", absl::ascii_isalpha},
    {"blank", absl::ascii_isblank},
    {"cntrl", absl::ascii_iscntrl},
    {"digit", absl::ascii_isdigit},
    {"graph", absl::ascii_isgraph},
    {"lower", absl::ascii_islower},
    {"print", absl::ascii_isprint},
    {"punct", absl::ascii_ispunct},
    {"space", IsSpace},
    {"upper", absl::ascii_isupper},
    {"xdigit", absl::ascii_isxdigit},
}};

// Reads what stands between '[' and ']' from the front of a pattern.
class SetParser {
 public:
  // `rest` starts behind the '['.
  explicit SetParser(std::string_view rest) : rest_(rest) {}

  // Nullopt when the set is malformed; else rest() starts behind the ']'.
  std::optional<std::bitset<256>> Parse() {
    const bool negated = !rest_.empty() && (rest_[0] == '!' || rest_[0] == '^');
    if (negated) Take();
    do {  // a ']' in the first place is an ordinary byte
      if (!ParseItem()) return std::nullopt;
    } while (!rest_.empty() && rest_[0] != ']');
    if (rest_.empty()) return std::nullopt;
    Take();
    if (negated) set_.flip();
    set_.reset('/');
    return set_;
  }

  std::string_view rest() const { return rest_; }

 private:
  uint8_t Take() {
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }

  // One byte, escaped or not; nullopt at the end.
  std::optional<uint8_t> TakeByte() {
    if (!rest_.empty() && rest_[0] == '\\') Take();
    if (rest_.empty()) return std::nullopt;
    return Take();
  }

  bool ParseItem() {
    const bool range = low_.has_value() && rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']';
    if (range) return ParseRangeEnd();
    if (rest_.substr(0, 2) == "[:") return ParseNamedSet();
    low_ = TakeByte();
    if (low_.has_value()) set_.set(*low_);
    return low_.has_value();
  }

  bool ParseRangeEnd() {
    Take();  // the '-'
    const std::optional<uint8_t> high = TakeByte();
    if (!high.has_value()) return false;
    for (size_t byte = *low_; byte <= *high; ++byte) set_.set(byte);
    low_.reset();
    return true;
  }

  bool ParseNamedSet() {
    const size_t end = rest_.find(']', 2);
    if (end == std::string_view::npos) return false;
    if (end == 2 || rest_[end - 1] != ':') {  // no name after all: the '[' stands for itself
      low_ = Take();
      set_.set('[');
      return true;
    }
    const std::string_view name = rest_.substr(2, end - 3);
    const auto* const named = std::find_if(kNamedSets.begin(), kNamedSets.end(),
                                           [&](const NamedSet& set) { return set.name == name; });
    if (named == kNamedSets.end()) return false;
    for (size_t byte = 0; byte < set_.size(); ++byte) {
      if (named->contains(static_cast<unsigned char>(byte))) set_.set(byte);
    }
    rest_.remove_prefix(end + 1);
    low_.reset();
    return true;
  }

  std::string_view rest_;
  std::bitset<256> set_;
  std::optional<uint8_t> low_;  // where a '-' that follows starts its range
};

}  // namespace

class Glob::Compiler {
 public:
  Compiler(Glob& glob, std::string_view pattern) : glob_(glob), rest_(pattern) {}

  void Run() {
    // git compares what stands before the first special byte by itself, and looks at the rest as
    // if nothing stood before it. So "a**/b" is "a" and then "**/b", and matches "ab" and "ac/d/b".
    const size_t literal = std::min(rest_.find_first_of("*?[\\"), rest_.size());
    glob_.prefix_ = rest_.substr(0, literal);
    rest_.remove_prefix(literal);
    while (!rest_.empty() && !glob_.malformed_) Next();
    MoveTrailingBytes();
  }

 private:
  void Next() {
    const char c = rest_[0];
    if (c == '*') return Stars();
    rest_.remove_prefix(1);
    after_slash_ = c == '/';
    if (c == '?') {
      Add(Kind::kNotSlash);
    } else if (c == '[') {
      Set();
    } else if (c == '\\') {
      Escaped();
    } else {
      Byte(c);
    }
  }

  void Stars() {
    const size_t count = std::min(rest_.find_first_not_of('*'), rest_.size());
    rest_.remove_prefix(count);
    const bool alone =
        after_slash_ && (rest_.empty() || rest_[0] == '/' || rest_.substr(0, 2) == "\\/");
    after_slash_ = false;
    if (count == 1 || !alone) return Add(Kind::kStar);
    if (rest_.empty() || rest_[0] != '/') return Add(Kind::kAnything);
    rest_.remove_prefix(1);
    after_slash_ = true;
    Add(Kind::kDirectories);
  }

  void Set() {
    SetParser parser(rest_);
    const std::optional<ByteSet> set = parser.Parse();
    if (!set.has_value()) {
      glob_.malformed_ = true;
      return;
    }
    rest_ = parser.rest();
    Add(Kind::kSet, static_cast<uint16_t>(glob_.sets_.size()));
    glob_.sets_.push_back(*set);
  }

  void Escaped() {
    if (rest_.empty()) {
      glob_.malformed_ = true;
      return;
    }
    Byte(rest_[0]);
    after_slash_ = rest_[0] == '/';
    rest_.remove_prefix(1);
  }

  void Byte(char c) { Add(Kind::kByte, static_cast<uint8_t>(c)); }
  void Add(Kind kind, uint16_t value = 0) { glob_.tokens_.push_back({kind, value}); }

  void MoveTrailingBytes() {
    auto& tokens = glob_.tokens_;
    while (!tokens.empty() && tokens.back().kind == Kind::kByte) {
      glob_.suffix_.push_back(static_cast<char>(tokens.back().value));
      tokens.pop_back();
    }
    std::reverse(glob_.suffix_.begin(), glob_.suffix_.end());
    tokens.shrink_to_fit();
  }

  Glob& glob_;
  std::string_view rest_;
  bool after_slash_ = true;  // the next byte stands at the start or behind a '/'
};

// Runs the tokens over a text, each wildcard taking as little as it can. What fails is tried again
// with the last star one byte longer, and where that would cross a '/', with the last wide
// wildcard longer. Wildcards before these need no other try: whatever they could leave to the
// later one, the later one can reach by itself.
class Glob::Matcher {
 public:
  Matcher(const Glob& glob, std::string_view text) : glob_(glob), text_(text) {}

  bool Run() {
    while (true) {
      if (token_ == glob_.tokens_.size()) {
        if (at_ == text_.size()) return true;
      } else if (Step(glob_.tokens_[token_])) {
        continue;
      }
      if (!ExtendStar() && !ExtendWide()) return false;
    }
  }

 private:
  // A wildcard that can be made longer.
  struct Retry {
    bool active = false;
    size_t token = 0;  // the wildcard's
    size_t at = 0;     // where it ends for now
  };

  bool Step(const Token& token) {
    switch (token.kind) {
      case Kind::kStar:
        star_ = {true, token_++, at_};
        return true;
      case Kind::kAnything:
      case Kind::kDirectories:
        wide_ = {true, token_++, at_};
        star_.active = false;
        return true;
      default:
        if (at_ == text_.size() || !Accepts(token, static_cast<uint8_t>(text_[at_]))) return false;
        ++token_;
        ++at_;
        return true;
    }
  }

  bool Accepts(const Token& token, uint8_t byte) const {
    if (token.kind == Kind::kByte) return byte == token.value;
    if (token.kind == Kind::kNotSlash) return byte != '/';
    return glob_.sets_[token.value].test(byte);
  }

  bool ExtendStar() {
    if (!star_.active || star_.at == text_.size() || text_[star_.at] == '/') return false;
    ++star_.at;
    Resume(star_);
    return true;
  }

  bool ExtendWide() {
    if (!wide_.active || wide_.at == text_.size()) return false;
    if (glob_.tokens_[wide_.token].kind == Kind::kDirectories) {
      const size_t slash = text_.find('/', wide_.at);
      if (slash == std::string_view::npos) return false;
      wide_.at = slash;
    }
    ++wide_.at;
    Resume(wide_);
    return true;
  }

  void Resume(const Retry& retry) {
    token_ = retry.token + 1;
    at_ = retry.at;
  }

  const Glob& glob_;
  const std::string_view text_;
  size_t token_ = 0;
  size_t at_ = 0;
  Retry star_;
  Retry wide_;
};

Glob::Glob(std::string_view pattern) { Compiler(*this, pattern).Run(); }

bool Glob::Matches(std::string_view text) const {
  if (malformed_ || text.size() < prefix_.size() + suffix_.size()) return false;
  if (!text.starts_with(prefix_) || !text.ends_with(suffix_)) return false;
  text.remove_prefix(prefix_.size());
  text.remove_suffix(suffix_.size());
  if (tokens_.empty()) return text.empty();
  return Matcher(*this, text).Run();
}

}  // namespace filesync
