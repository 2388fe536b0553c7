#include "agent/cli/trash_options.h"

#include <charconv>
#include <optional>

#include "libs/base/status.h"
#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

constexpr uint64_t kMostDays = 100'000;
constexpr std::string_view kUnits = "kMGT";

// The number at the front, which it is taken from.
std::optional<uint64_t> TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return number;
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  const std::optional<uint64_t> number = TakeNumber(text);
  if (!number.has_value() || *number == 0 || text.size() > 1) return std::nullopt;
  if (text.empty()) return number;
  const size_t unit = kUnits.find(text == "K" ? 'k' : text.front());
  if (unit == std::string_view::npos) return std::nullopt;
  const auto shift = static_cast<int>(10 * (unit + 1));
  if (*number > (UINT64_MAX >> shift)) return std::nullopt;
  return *number << shift;
}

}  // namespace

absl::StatusOr<TrashLimits> ParseTrashLimits(std::string_view days, std::string_view size) {
  TrashLimits limits;
  if (days == "off") {
    limits.age = absl::InfiniteDuration();
  } else {
    std::string_view rest = days;
    const std::optional<uint64_t> number = TakeNumber(rest);
    if (!number.has_value() || !rest.empty() || *number == 0 || *number > kMostDays) {
      return InvalidArgument("--trash-days {}: expected a number of days, 1 to {}, or off",
                             EscapeForPeople(days), kMostDays);
    }
    limits.age = absl::Hours(24) * static_cast<int64_t>(*number);
  }
  if (size == "off") return limits;
  const std::optional<uint64_t> bytes = ParseSize(size);
  if (!bytes.has_value()) {
    return InvalidArgument(
        "--trash-size {}: expected bytes with k, M, G or T after them or nothing (500M), or off",
        EscapeForPeople(size));
  }
  limits.bytes = *bytes;
  return limits;
}

}  // namespace filesync
