#include "libs/reconcile/conflict_copies.h"

#include <algorithm>
#include <cctype>

namespace filesync {
namespace {

constexpr std::string_view kMarker = ".conflict-";
// "YYYYMMDD-HHMMSS-"
constexpr size_t kDateDigits = 8;
constexpr size_t kTimeDigits = 6;
constexpr size_t kAgentAt = kDateDigits + 1 + kTimeDigits + 1;

bool Digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
}

}  // namespace

std::optional<ConflictCopyName> ParseConflictCopyPath(const RelPath& path) {
  const std::string_view name = path.Name();
  const size_t marker = name.rfind(kMarker);
  if (marker == std::string_view::npos || marker == 0) return std::nullopt;
  const std::string_view rest = name.substr(marker + kMarker.size());
  if (rest.size() <= kAgentAt) return std::nullopt;
  const bool dated = Digits(rest.substr(0, kDateDigits)) && rest[kDateDigits] == '-' &&
                     Digits(rest.substr(kDateDigits + 1, kTimeDigits)) && rest[kAgentAt - 1] == '-';
  if (!dated) return std::nullopt;
  const std::string_view tail = rest.substr(kAgentAt);
  const size_t dot = std::min(tail.find('.'), tail.size());
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  };
  if (dot == 0 || !std::all_of(tail.begin(), tail.begin() + dot, plain)) return std::nullopt;
  const absl::StatusOr<RelPath> original =
      path.Parent().Child(std::string(name.substr(0, marker)) + std::string(tail.substr(dot)));
  if (!original.ok()) return std::nullopt;
  return ConflictCopyName{*original, std::string(tail.substr(0, dot))};
}

}  // namespace filesync
