// How many threads this process may use at once.
#pragma once

#include <string_view>

namespace mlxe {

/// The smaller of the CPU affinity mask and the cgroup's CPU quota (rounded up); at least 1. Never the host's count.
[[nodiscard]] int available_threads();

/// The whole CPUs, rounded up, that a cgroup v2 `cpu.max` line grants ("150000 100000" -> 2); 0: no limit or no sense.
[[nodiscard]] int cpus_of_quota(std::string_view cpu_max);

}  // namespace mlxe
