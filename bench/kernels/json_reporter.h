// JSON lines of the kernel benchmarks, with their share of the peak, and a line for people on stderr.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace mlxe::bench {

class JsonReporter : public benchmark::BenchmarkReporter {
 public:
  /// \param peaks      operations/s that one core reached in registers, by precision
  /// \param read_rate  bytes/s at which all threads read memory, if that was asked for
  JsonReporter(std::string instruction_set, std::map<std::string, double> peaks, std::optional<double> read_rate);

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

 private:
  std::string instruction_set_;
  std::map<std::string, double> peaks_;
  std::optional<double> read_rate_;
  double copy_bytes_ = 0;  // bytes/s of the copy that was reported last
};

}  // namespace mlxe::bench
