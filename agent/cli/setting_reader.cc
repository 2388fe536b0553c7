#include "agent/cli/setting_reader.h"

#include <charconv>

namespace filesync {

absl::StatusOr<int> ParseNumber(std::string_view text, int least, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    return InvalidArgument("expected a number from {} to {}", least, most);
  }
  return number;
}

}  // namespace filesync
