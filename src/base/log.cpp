// The one place that knows spdlog; its headers are too heavy to show to every file that logs.
#include "base/log.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace mlxe {
namespace {

std::optional<spdlog::level::level_enum> parse_level(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 5> kLevels{{
      {"error", spdlog::level::err},
      {"warn", spdlog::level::warn},
      {"info", spdlog::level::info},
      {"debug", spdlog::level::debug},
      {"off", spdlog::level::off},
  }};
  for (const auto& [name, level] : kLevels) {
    if (word == name) {
      return level;
    }
  }
  return std::nullopt;
}

spdlog::logger make_logger() {
  spdlog::logger made("mlxe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  made.set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
  made.set_level(spdlog::level::warn);
  const char* const wanted = std::getenv("MLXE_LOG");
  if (wanted != nullptr && *wanted != '\0') {
    if (const auto level = parse_level(wanted)) {
      made.set_level(*level);
    } else {
      made.warn(fmt::format("MLXE_LOG is '{}', wanted error, warn, info, debug or off; using warn", wanted));
    }
  }
  return made;
}

spdlog::logger& logger() {
  static spdlog::logger the_logger = make_logger();
  return the_logger;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: break;
  }
  return spdlog::level::err;
}

}  // namespace

bool log_enabled(LogLevel level) {
  return logger().should_log(spdlog_level(level));
}

void log(LogLevel level, std::string_view message) {
  logger().log(spdlog_level(level), spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace mlxe
