#include "libs/telemetry/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <atomic>

#include "absl/synchronization/mutex.h"

namespace filesync {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// A log line is one line, and can't steer a terminal.
std::string OneLine(std::string_view message) {
  std::string line(message);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

struct Logger::Impl {
  std::atomic<LogLevel> level;
  Sink sink;
  absl::Mutex mutex;
  std::unique_ptr<spdlog::logger> logger;
};

Logger::Logger(LogLevel level) : impl_(std::make_unique<Impl>()) {
  impl_->level = level;
  impl_->logger = std::make_unique<spdlog::logger>(
      "filesync", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  impl_->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v", spdlog::pattern_time_type::utc);
  impl_->logger->set_level(spdlog::level::trace);
  impl_->logger->flush_on(spdlog::level::trace);
}

Logger::Logger(LogLevel level, Sink sink) : impl_(std::make_unique<Impl>()) {
  impl_->level = level;
  impl_->sink = std::move(sink);
}

Logger::~Logger() = default;

bool Logger::Enabled(LogLevel level) const {
  const LogLevel least = impl_->level;
  return level >= least && least != LogLevel::kOff;
}

void Logger::SetLevel(LogLevel level) { impl_->level = level; }

void Logger::Write(LogLevel level, std::string_view message) {
  const std::string line = OneLine(message);
  if (impl_->sink) {
    absl::MutexLock lock(&impl_->mutex);
    impl_->sink(level, line);
    return;
  }
  impl_->logger->log(ToSpdlog(level), "{}", line);
}

bool ParseLogLevel(std::string_view text, LogLevel& level) {
  static constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                                      {"info", LogLevel::kInfo},
                                                                      {"warn", LogLevel::kWarn},
                                                                      {"error", LogLevel::kError},
                                                                      {"off", LogLevel::kOff}};
  for (const auto& [name, value] : kLevels) {
    if (text != name) continue;
    level = value;
    return true;
  }
  return false;
}

}  // namespace filesync
