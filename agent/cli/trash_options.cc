#include "agent/cli/trash_options.h"

#include <charconv>
#include <optional>

#include "libs/base/status.h"
#include "libs/location/location.h"

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

absl::StatusOr<absl::Duration> ParseTrashDays(std::string_view text) {
  if (text == "off") return absl::InfiniteDuration();
  std::string_view rest = text;
  const std::optional<uint64_t> number = TakeNumber(rest);
  if (!number.has_value() || !rest.empty() || *number == 0 || *number > kMostDays) {
    return InvalidArgument("expected a number of days, 1 to {}, or off", kMostDays);
  }
  return absl::Hours(24) * static_cast<int64_t>(*number);
}

absl::StatusOr<uint64_t> ParseTrashSize(std::string_view text) {
  if (text == "off") return TrashLimits().bytes;
  const std::optional<uint64_t> bytes = ParseSize(text);
  if (bytes.has_value()) return *bytes;
  return InvalidArgument("expected bytes with k, M, G or T after them or nothing (500M), or off");
}

}  // namespace filesync
