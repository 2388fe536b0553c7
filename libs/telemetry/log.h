// Logger: one line per event for operators, on stderr: time, level, message. No secrets; names
// of files only as RelPath::ForPeople gives them. Passed in through constructors. Thread-safe.
//
//   ERROR  something is lost, refused or stopped, and a person should act
//   WARN   it goes on, but not as it should
//   INFO   starts, stops, connects, what changed
//   DEBUG  for those who look for a bug
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace filesync {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

class Logger {
 public:
  using Sink = std::function<void(LogLevel level, std::string_view message)>;

  // To stderr with UTC timestamps in ISO 8601 to the millisecond.
  explicit Logger(LogLevel level);
  // To `sink` (called from any thread, one at a time), e.g. a terminal display.
  Logger(LogLevel level, Sink sink);
  ~Logger();

  template <typename... Args>
  void Debug(fmt::format_string<Args...> format, Args&&... args) {
    if (Enabled(LogLevel::kDebug))
      Write(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Info(fmt::format_string<Args...> format, Args&&... args) {
    if (Enabled(LogLevel::kInfo))
      Write(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Warn(fmt::format_string<Args...> format, Args&&... args) {
    if (Enabled(LogLevel::kWarn))
      Write(LogLevel::kWarn, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Error(fmt::format_string<Args...> format, Args&&... args) {
    if (Enabled(LogLevel::kError))
      Write(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
  }
  bool Enabled(LogLevel level) const;
  // From now on; any thread.
  void SetLevel(LogLevel level);

 private:
  void Write(LogLevel level, std::string_view message);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "debug", "info", "warn", "error", "off"; false when it is none of them.
bool ParseLogLevel(std::string_view text, LogLevel& level);

}  // namespace filesync
