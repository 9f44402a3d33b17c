// Sums up the times of operations and prints them as a table.
#include "profile.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace mlxe::cli {

void Profile::add(const OperationTime& one) {
  const std::lock_guard lock(mutex_);
  Sum& sum = sums_[one.name];
  ++sum.calls;
  sum.seconds += one.seconds;
  sum.operations += one.operations;
}

void Profile::clear() {
  const std::lock_guard lock(mutex_);
  sums_.clear();
}

std::string Profile::table() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, Sum>> rows(sums_.begin(), sums_.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  double total = 0;
  for (const auto& [name, sum] : rows) {
    total += sum.seconds;
  }
  std::string out = fmt::format("{:<30}{:>9}{:>11}{:>8}{:>10}\n", "operation", "calls", "seconds", "share", "GFLOP/s");
  for (const auto& [name, sum] : rows) {
    const std::string rate = sum.operations > 0 ? fmt::format("{:.1f}", sum.operations / sum.seconds * 1e-9) : "-";
    out += fmt::format("{:<30}{:>9}{:>11.4f}{:>6.1f} %{:>10}\n", name, sum.calls, sum.seconds,
                       100.0 * sum.seconds / total, rate);
  }
  return out;
}

}  // namespace mlxe::cli
