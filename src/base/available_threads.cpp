// How many threads this process may use at once.
#include "base/available_threads.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace mlxe {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The tightest quota from this process's cgroup up to the root; 0: none.
int cgroup_cpus() {
  int best = 0;
  const auto consider = [&best](int cpus) {
    if (cpus > 0 && (best == 0 || cpus < best)) {
      best = cpus;
    }
  };
  std::ifstream membership("/proc/self/cgroup");
  std::string line;
  while (std::getline(membership, line)) {
    if (line.starts_with("0::")) {  // version 2
      for (std::string path = line.substr(3); !path.empty(); path.resize(path.find_last_of('/'))) {
        consider(cpus_of_quota(first_line("/sys/fs/cgroup" + path + "/cpu.max")));
        if (path.find('/') == std::string::npos) {
          break;
        }
      }
      consider(cpus_of_quota(first_line("/sys/fs/cgroup/cpu.max")));
    }
  }
  // Version 1, and version 2 seen from inside a container's own namespace, mount the own group at the root.
  const std::string quota = first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const std::string period = first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (!quota.empty() && !period.empty()) {
    consider(cpus_of_quota(quota + " " + period));
  }
  return best;
}

int affinity_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return CPU_COUNT(&set);
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int cpus_of_quota(std::string_view cpu_max) {
  long quota = 0;
  long period = 0;
  const char* end = cpu_max.data() + cpu_max.size();
  const auto first = std::from_chars(cpu_max.data(), end, quota);
  if (first.ec != std::errc() || first.ptr == end) {
    return 0;  // "max 100000"
  }
  const auto second = std::from_chars(first.ptr + 1, end, period);
  if (second.ec != std::errc() || quota <= 0 || period <= 0) {
    return 0;
  }
  return static_cast<int>((quota + period - 1) / period);
}

int available_threads() {
  const int affinity = std::max(1, affinity_cpus());
  const int quota = cgroup_cpus();
  return quota > 0 ? std::min(affinity, quota) : affinity;
}

}  // namespace mlxe
