// Writes each benchmark's median as one line of JSON.
#include "kernels/json_reporter.h"

#include <cmath>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/kernels.h"
#include "machine.h"
#include "mlxe/version.h"

namespace mlxe::bench {
namespace {

void print_line(const nlohmann::ordered_json& line) {
  std::puts(line.dump().c_str());
  std::fflush(stdout);
}

/// \param steps_per_unit  a whole number: dividing by 10 prints as 0.3, multiplying by 0.1 as 0.30000000000000004
double rounded(double value, double steps_per_unit) {
  return std::round(value * steps_per_unit) / steps_per_unit;
}

}  // namespace

JsonReporter::JsonReporter(std::string instruction_set, std::map<std::string, double> peaks, const AllThreads& all)
    : instruction_set_(std::move(instruction_set)), peaks_(std::move(peaks)), all_(all) {}

bool JsonReporter::ReportContext(const Context&) {
  nlohmann::ordered_json peaks;
  for (const auto& [precision, operations] : peaks_) {
    peaks[precision] = rounded(operations / 1e9, 10);
  }
  nlohmann::ordered_json all = {{"count", all_.count}, {"fp32_gops", rounded(all_.fp32_peak / 1e9, 10)}};
  if (all_.read_rate) {
    all["read_gbytes_per_s"] = rounded(*all_.read_rate / 1e9, 100);
  }
  print_line({{"bench", "machine"},
              {"cpu", cli::cpu_name()},
              {"cpus", cli::num_cpus()},
              {"instruction_set", instruction_set_},
              {"threads", 1},
              {"peak_gops", peaks},
              {"all_threads", all},
              {"version", MLXE_VERSION}});
  return true;
}

void JsonReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    // With one repetition there is no median.
    if (run.error_occurred || (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median")) {
      continue;
    }
    const std::string name = run.run_name.function_name;
    nlohmann::ordered_json line = {{"bench", "kernel"}, {"name", name}};
    const double ns = run.GetAdjustedCPUTime();
    line["ns"] = rounded(ns, 1);
    double share = 0;
    if (const auto rate = run.counters.find(kOperationsCounter); rate != run.counters.end()) {
      const std::size_t begin = name.find('/') + 1;  // "gemm/fp32/..."
      const double operations = rate->second;
      share = operations / peaks_.at(name.substr(begin, name.find('/', begin) - begin));
      line["gops"] = rounded(operations / 1e9, 10);
      line["share_of_peak"] = rounded(share, 1000);
    } else if (const auto bytes = run.counters.find(kBytesCounter); bytes != run.counters.end()) {
      if (name.starts_with("copy/")) {
        copy_bytes_ = bytes->second;
      }
      line["gbytes_per_s"] = rounded(bytes->second / 1e9, 10);
      if (copy_bytes_ > 0) {
        share = bytes->second / copy_bytes_;
        line["share_of_copy"] = rounded(share, 1000);
      }
    }
    print_line(line);
    std::fputs(fmt::format("{:<28}{:>12.1f} us{:>7.0f} %\n", name, ns / 1e3, share * 100).c_str(), stderr);
  }
}

}  // namespace mlxe::bench
