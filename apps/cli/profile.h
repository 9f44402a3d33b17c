// Sums up the times of operations and prints them as a table.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "mlxe/options.h"

namespace mlxe::cli {

class Profile {
 public:
  void add(const OperationTime& one);
  void clear();
  /// One line for each operation, the longest time first: calls, time of all workers together, share, GFLOP/s.
  [[nodiscard]] std::string table() const;

 private:
  struct Sum {
    long calls = 0;
    double seconds = 0;
    double operations = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Sum> sums_;
};

}  // namespace mlxe::cli
