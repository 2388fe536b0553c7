#include "libs/base/status.h"

#include <charconv>
#include <cstring>

namespace filesync {
namespace {

constexpr char kErrnoPayload[] = "filesync/errno";

}  // namespace

absl::Status ErrnoStatus(int error_number, std::string_view what) {
  char buffer[128];
  const char* text = strerror_r(error_number, buffer, sizeof(buffer));
  absl::Status status(absl::ErrnoToStatusCode(error_number), fmt::format("{}: {}", what, text));
  status.SetPayload(kErrnoPayload, absl::Cord(std::to_string(error_number)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoPayload);
  if (!payload.has_value()) return 0;
  const std::string text(*payload);
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), fmt::format("{}: {}", context, ToStd(status.message())));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& value) { result.SetPayload(type, value); });
  return result;
}

std::string Describe(const absl::Status& status) {
  if (status.ok()) return "ok";
  return fmt::format("{}: {}", absl::StatusCodeToString(status.code()), ToStd(status.message()));
}

}  // namespace filesync
