// RelPath: a path below a folder's root, validated once; the only way to name a file.
//
// Bytes, any legal file name: components separated by '/', none empty, "." or "..", no NUL,
// no leading or trailing '/', and no component that is the agent's own ".syncagent" in any
// case or with ignorable code points. The empty RelPath is the root itself. Value type.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace filesync {

inline constexpr size_t kMaxPathBytes = 4096;
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxPathDepth = 128;
inline constexpr std::string_view kStateDirectoryName = ".syncagent";

class RelPath {
 public:
  RelPath() = default;  // the root

  // InvalidArgument with the reason; "" is the root.
  static absl::StatusOr<RelPath> Parse(std::string_view bytes);
  // The inverse of SortKey; DataLoss when it is no key.
  static absl::StatusOr<RelPath> FromSortKey(std::string_view key);

  // True for ".syncagent" as an agent or a peer might spell it: any case, and with code
  // points that file systems ignore (HFS+) or fold.
  static bool IsReservedName(std::string_view name);

  const std::string& bytes() const { return bytes_; }
  bool IsRoot() const { return bytes_.empty(); }
  // The last component; "" for the root.
  std::string_view Name() const;
  // The directory that holds it; the root for the root.
  RelPath Parent() const;
  // This directory's child `name`, checked as Parse does.
  absl::StatusOr<RelPath> Child(std::string_view name) const;
  // True when this is `directory` itself or below it. Everything is below the root.
  bool IsAtOrBelow(const RelPath& directory) const;
  // This path with its prefix `from` replaced by `to`; this must be at or below `from`.
  RelPath Rebased(const RelPath& from, const RelPath& to) const;
  size_t Depth() const;  // number of components

  // The path with '/' as byte 0: sorts byte-wise in the order of a depth-first walk of
  // name-sorted directories, and every path below D is a key that starts with D's key + "\0".
  std::string SortKey() const;

  // For people and JSON: UTF-8; control characters, invalid bytes and '%' as %XX. A path that
  // is plain printable UTF-8 stays as it is.
  std::string ForPeople() const;
  // The inverse of ForPeople.
  static absl::StatusOr<RelPath> ParseForPeople(std::string_view text);

  // Orders by SortKey.
  friend std::strong_ordering operator<=>(const RelPath& a, const RelPath& b);
  friend bool operator==(const RelPath& a, const RelPath& b) { return a.bytes_ == b.bytes_; }
  template <typename H>
  friend H AbslHashValue(H state, const RelPath& path) {
    return H::combine(std::move(state), path.bytes_);
  }

 private:
  explicit RelPath(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

// Any bytes as printable text, as ForPeople does: for names that never became a RelPath.
std::string EscapeForPeople(std::string_view bytes);

}  // namespace filesync
