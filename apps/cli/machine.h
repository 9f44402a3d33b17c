// Facts about the machine and this process that a measurement is worthless without.
#pragma once

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace mlxe::cli {

/// The processor's name as the system gives it; "unknown" if it gives none.
[[nodiscard]] inline std::string cpu_name() {
#ifdef __APPLE__
  char name[256] = {};
  std::size_t size = sizeof(name) - 1;
  return sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0 ? name : "unknown";
#else
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
#endif
}

/// Processors of the machine, whatever this process may use of them.
[[nodiscard]] inline long num_cpus() {
  return sysconf(_SC_NPROCESSORS_ONLN);
}

/// The most memory this process has held, in MB of 2^20 bytes.
[[nodiscard]] inline double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);  // bytes there
#else
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // kilobytes here
#endif
}

/// Seconds since the system started this process, or nothing where it does not tell. Exact to a clock tick, 10 ms.
[[nodiscard]] inline std::optional<double> seconds_since_process_start() {
#ifdef CLOCK_BOOTTIME
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end_of_name = line.rfind(')');  // the name may hold blanks and brackets
  if (end_of_name == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(line.substr(end_of_name + 1));
  constexpr int kFieldsBeforeStart = 19;  // starttime is field 22 of proc(5), the third is the first after the name
  std::string skipped;
  for (int i = 0; i < kFieldsBeforeStart; ++i) {
    fields >> skipped;
  }
  double start_ticks = 0;
  if (!(fields >> start_ticks)) {
    return std::nullopt;
  }
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);  // as starttime, it counts on while the machine sleeps
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 -
         start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
#else
  return std::nullopt;
#endif
}

}  // namespace mlxe::cli
