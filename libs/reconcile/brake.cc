#include "libs/reconcile/brake.h"

#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "libs/paths/rel_path.h"

namespace filesync {
namespace {

// Fewer are everyday work, whatever part of a small folder they are.
constexpr uint64_t kAlwaysAllowed = 24;

}  // namespace

absl::StatusOr<BrakeLimit> BrakeLimit::Parse(std::string_view text) {
  BrakeLimit limit;
  if (text == "off") {
    limit.off_ = true;
    return limit;
  }
  std::string_view digits = text;
  const bool percent = digits.ends_with('%');
  if (percent) digits.remove_suffix(1);
  uint64_t number = 0;
  const bool plain = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  if (!plain || !absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &number) ||
      (percent && (number == 0 || number > 100))) {
    return InvalidArgument("'{}': expected a part like 50%, a number of entries, or off",
                           EscapeForPeople(text));
  }
  limit.percent_ = percent ? number : 0;
  limit.most_ = percent ? 0 : number;
  return limit;
}

bool BrakeLimit::AlwaysAllows(uint64_t deletions) const {
  return off_ || deletions <= (percent_ == 0 ? most_ : kAlwaysAllowed);
}

bool BrakeLimit::Holds(uint64_t deletions, uint64_t entries) const {
  if (off_ || deletions == 0) return false;
  if (AlwaysAllows(deletions)) return false;
  if (percent_ == 0) return true;
  // deletions / entries > percent / 100, without the fractions.
  return deletions * 100 > entries * percent_;
}

}  // namespace filesync
