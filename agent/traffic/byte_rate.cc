#include "agent/traffic/byte_rate.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr double kTooFast = 9223372036854775808.0;  // 2^63, so that a rate fits any integer

size_t CountDigits(std::string_view text) {
  return std::find_if_not(text.begin(), text.end(), absl::ascii_isdigit) - text.begin();
}

// Of the number that `text` begins with; 0 when it begins with none. A point needs digits on
// both sides.
size_t NumberLength(std::string_view text) {
  const size_t whole = CountDigits(text);
  if (whole == 0 || whole == text.size() || text[whole] != '.') return whole;
  const size_t fraction = CountDigits(text.substr(whole + 1));
  return fraction == 0 ? whole : whole + 1 + fraction;
}

// What stands after the number, in bytes; nullopt when it is no unit.
std::optional<double> ParseUnit(std::string_view unit) {
  if (unit.ends_with("/s")) unit.remove_suffix(2);
  if (unit.empty() || unit == "B") return 1;
  const char letter = unit.front();
  unit.remove_prefix(1);
  if (!unit.empty() && unit != "i" && unit != "iB" && unit != "B") return std::nullopt;
  switch (letter) {
    case 'k':
    case 'K':
      return 1024;
    case 'M':
      return 1024. * 1024;
    case 'G':
      return 1024. * 1024 * 1024;
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<ByteRate> ParseByteRate(std::string_view text) {
  if (absl::EqualsIgnoreCase(ToAbsl(text), "off") ||
      absl::EqualsIgnoreCase(ToAbsl(text), "unlimited")) {
    return ByteRate();
  }
  const size_t length = NumberLength(text);
  const std::optional<double> unit = ParseUnit(text.substr(length));
  if (length == 0 || !unit.has_value()) {
    return InvalidArgument(
        "rate \"{}\": expected bytes per second as a number with k, M or G after it or nothing "
        "(512k, 10M, 1.5MiB/s), or off",
        text);
  }
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + length, number);
  if (parsed.ec == std::errc() && number == 0) return ByteRate();
  const double rate = number * *unit;
  if (parsed.ec != std::errc() || rate < 1 || rate >= kTooFast) {
    return InvalidArgument("rate \"{}\": expected at least 1 byte per second and less than 2^63",
                           text);
  }
  return ByteRate(static_cast<uint64_t>(rate));
}

}  // namespace filesync
