// JSON lines of the kernel benchmarks, with their share of the peak, and a line for people on stderr.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace mlxe::bench {

/// What all threads reach together.
struct AllThreads {
  int count = 0;
  double fp32_peak = 0.0;           ///< operations/s of float32's loop in registers
  std::optional<double> read_rate;  ///< bytes/s from memory, if that was asked for
};

class JsonReporter : public benchmark::BenchmarkReporter {
 public:
  /// \param peaks  operations/s that one core reached in registers, by precision
  JsonReporter(std::string instruction_set, std::map<std::string, double> peaks, const AllThreads& all);

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

 private:
  std::string instruction_set_;
  std::map<std::string, double> peaks_;
  AllThreads all_;
  double copy_bytes_ = 0;  // bytes/s of the copy that was reported last
};

}  // namespace mlxe::bench
