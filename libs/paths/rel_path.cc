#include "libs/paths/rel_path.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "libs/base/coding.h"
#include "libs/base/status.h"
#include "libs/paths/utf8.h"

namespace filesync {
namespace {

absl::Status CheckName(std::string_view name) {
  if (name.empty()) return InvalidArgument("a path has an empty component");
  if (name == "." || name == "..") {
    return InvalidArgument("a path may not have the component '{}'", name);
  }
  if (name.size() > kMaxNameBytes) {
    return InvalidArgument("a name has {} bytes, more than {}", name.size(), kMaxNameBytes);
  }
  if (name.find('\0') != std::string_view::npos) {
    return InvalidArgument("a path may not hold a NUL byte");
  }
  if (RelPath::IsReservedName(name)) {
    return InvalidArgument("the name '{}' is reserved for the agent's own state",
                           EscapeForPeople(name));
  }
  return absl::OkStatus();
}

// Full-width forms fold to ASCII under compatibility normalisation; so do two dots look-alikes.
uint32_t Fold(uint32_t c) {
  if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
  if (c == 0x2024) c = '.';
  if (c == 0x17f) c = 's';
  if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return c;
}

// Where the two differ first; `size` when they don't. Paths share long beginnings, so words are
// compared while they are equal.
size_t Mismatch(const char* a, const char* b, size_t size) {
  size_t at = 0;
  while (at + sizeof(uint64_t) <= size) {
    uint64_t x = 0;
    uint64_t y = 0;
    std::memcpy(&x, a + at, sizeof(x));
    std::memcpy(&y, b + at, sizeof(y));
    if (x != y) break;
    at += sizeof(uint64_t);
  }
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

// Printable ASCII that stands for itself.
bool IsPlainAscii(char c) { return c >= 0x20 && c < 0x7f && c != '%'; }

void AppendEscaped(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : bytes) {
    out.push_back('%');
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
}

}  // namespace

bool RelPath::IsReservedName(std::string_view name) {
  // Asked for every name that is seen, and mostly answered by the first letter.
  if (!name.empty() && static_cast<uint8_t>(name.front()) < 0x80 && name.front() != '.') {
    return false;
  }
  size_t matched = 0;
  while (!name.empty()) {
    const CodePoint point = DecodeUtf8(name);
    if (point.length == 0) return false;
    name.remove_prefix(point.length);
    if (IsInvisible(point.value)) continue;
    const uint32_t c = Fold(point.value);
    if (matched < kStateDirectoryName.size()) {
      if (c != static_cast<uint8_t>(kStateDirectoryName[matched++])) return false;
    } else if (c != ' ' && c != '.') {
      // Some file systems drop dots and blanks at the end of a name.
      return false;
    }
  }
  return matched == kStateDirectoryName.size();
}

absl::StatusOr<RelPath> RelPath::Parse(std::string_view bytes) {
  if (bytes.empty()) return RelPath();
  if (bytes.size() > kMaxPathBytes) {
    return InvalidArgument("a path has {} bytes, more than {}", bytes.size(), kMaxPathBytes);
  }
  size_t depth = 0;
  std::string_view rest = bytes;
  while (true) {
    const size_t slash = rest.find('/');
    FS_RETURN_IF_ERROR(CheckName(rest.substr(0, slash)));
    if (++depth > kMaxPathDepth) {
      return InvalidArgument("a path has more than {} components", kMaxPathDepth);
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return RelPath(std::string(bytes));
}

absl::StatusOr<RelPath> RelPath::FromSortKey(std::string_view key) {
  std::string bytes(key);
  std::replace(bytes.begin(), bytes.end(), '\0', '/');
  absl::StatusOr<RelPath> path = Parse(bytes);
  if (!path.ok()) return DataLoss("a stored path is damaged: {}", ToStd(path.status().message()));
  return path;
}

std::string_view RelPath::Name() const {
  const size_t slash = bytes_.rfind('/');
  return slash == std::string::npos ? std::string_view(bytes_)
                                    : std::string_view(bytes_).substr(slash + 1);
}

RelPath RelPath::Parent() const {
  const size_t slash = bytes_.rfind('/');
  return slash == std::string::npos ? RelPath() : RelPath(bytes_.substr(0, slash));
}

absl::StatusOr<RelPath> RelPath::Child(std::string_view name) const {
  FS_RETURN_IF_ERROR(CheckName(name));
  if (name.find('/') != std::string_view::npos) return InvalidArgument("a name may not hold '/'");
  if (IsRoot()) return RelPath(std::string(name));
  if (bytes_.size() + 1 + name.size() > kMaxPathBytes) {
    return InvalidArgument("a path has more than {} bytes", kMaxPathBytes);
  }
  if (Depth() >= kMaxPathDepth) {
    return InvalidArgument("a path has more than {} components", kMaxPathDepth);
  }
  std::string bytes;
  bytes.reserve(bytes_.size() + 1 + name.size());
  bytes.append(bytes_).append(1, '/').append(name);
  return RelPath(std::move(bytes));
}

bool RelPath::IsAtOrBelow(const RelPath& directory) const {
  if (directory.IsRoot()) return true;
  if (!bytes_.starts_with(directory.bytes_)) return false;
  return bytes_.size() == directory.bytes_.size() || bytes_[directory.bytes_.size()] == '/';
}

RelPath RelPath::Rebased(const RelPath& from, const RelPath& to) const {
  if (*this == from) return to;
  std::string_view rest = bytes_;
  if (!from.IsRoot()) rest.remove_prefix(from.bytes_.size() + 1);
  if (to.IsRoot()) return RelPath(std::string(rest));
  std::string bytes = to.bytes_;
  bytes.append(1, '/').append(rest);
  return RelPath(std::move(bytes));
}

size_t RelPath::Depth() const {
  return IsRoot() ? 0 : 1 + std::count(bytes_.begin(), bytes_.end(), '/');
}

std::string RelPath::SortKey() const {
  std::string key = bytes_;
  std::replace(key.begin(), key.end(), '/', '\0');
  return key;
}

std::strong_ordering operator<=>(const RelPath& a, const RelPath& b) {
  const size_t common = std::min(a.bytes_.size(), b.bytes_.size());
  const size_t at = Mismatch(a.bytes_.data(), b.bytes_.data(), common);
  if (at == common) return a.bytes_.size() <=> b.bytes_.size();
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<uint8_t>(c)); };
  return rank(a.bytes_[at]) <=> rank(b.bytes_[at]);
}

std::string EscapeForPeople(std::string_view bytes) {
  if (std::all_of(bytes.begin(), bytes.end(), IsPlainAscii)) return std::string(bytes);
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const CodePoint point = DecodeUtf8(bytes);
    const size_t length = std::max<size_t>(point.length, 1);
    const std::string_view taken = bytes.substr(0, length);
    const uint32_t c = point.value;
    const bool plain = point.length > 0 && c >= 0x20 && c != '%' && c != 0x7f &&
                       !(c >= 0x80 && c < 0xa0) && !IsInvisible(c);
    if (plain) {
      text.append(taken);
    } else {
      AppendEscaped(text, taken);
    }
    bytes.remove_prefix(length);
  }
  return text;
}

std::string RelPath::ForPeople() const { return EscapeForPeople(bytes_); }

absl::StatusOr<RelPath> RelPath::ParseForPeople(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes.push_back(text[i]);
      continue;
    }
    const std::optional<std::string> byte =
        i + 2 < text.size() ? HexDecode(text.substr(i + 1, 2)) : std::nullopt;
    if (!byte.has_value() || byte->size() != 1) {
      return InvalidArgument("'%' must be followed by two hex digits (write '%25' for itself)");
    }
    bytes += *byte;
    i += 2;
  }
  return Parse(bytes);
}

}  // namespace filesync
