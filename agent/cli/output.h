// Output: what goes to stdout and stderr. Never throws: whoever reads may be gone and the disk
// full, which is no reason for an agent to end.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace filesync {

// False when not all of it was written.
template <typename... Args>
bool Output(FILE* out, fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  return fwrite(text.data(), 1, text.size(), out) == text.size();
}

template <typename... Args>
bool Output(fmt::format_string<Args...> format, Args&&... args) {
  return Output(stdout, format, std::forward<Args>(args)...);
}

// For text from elsewhere that is escaped already or is a message: bytes that would steer a
// terminal become `\xNN`; line breaks stay.
inline std::string WithoutControls(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool steers = (byte < 0x20 && c != '\n') || byte == 0x7f;
    steers ? shown += fmt::format("\\x{:02x}", byte) : shown += c;
  }
  return shown;
}

// True when everything that was written to stdout got there.
inline bool OutputArrived() { return fflush(stdout) == 0 && ferror(stdout) == 0; }

}  // namespace filesync
