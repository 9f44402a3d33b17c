// The library's log: one line per message on stderr, the level chosen by the environment variable MLXE_LOG.
#pragma once

#include <string_view>

namespace mlxe {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// True if a message of this level is written. MLXE_LOG is error, warn (the default), info, debug or off, and is read
/// once, at the first use of the log.
[[nodiscard]] bool log_enabled(LogLevel level);

/// Writes one line with the time and the level. May be called from any thread.
void log(LogLevel level, std::string_view message);

}  // namespace mlxe
