// Runs the kernel benchmarks with the best kernels of this machine, or those that MLXE_CPU_ISA names.
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "backend/cpu/instruction_set.h"
#include "kernels/json_reporter.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"

namespace mlxe::bench {
namespace {

int run(int argc, char** argv) {
  // Short and few by default, as a whole pass is wanted in seconds; flags on the command line come later and win.
  std::vector<char*> arguments(argv, argv + argc);
  char min_time[] = "--benchmark_min_time=0.05";
  char repetitions[] = "--benchmark_repetitions=3";
  char aggregates[] = "--benchmark_report_aggregates_only=true";
  arguments.insert(arguments.begin() + 1, {min_time, repetitions, aggregates});
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) {
    return 2;
  }
  const cpu::KernelTable& table = cpu::choose_kernels();
  register_kernels(table);
  register_linear_layers(table);
  std::map<std::string, double> peaks;
  for (const cpu::MatrixKernels* kernels : {table.fp32, table.bf16, table.int16, table.int8}) {
    if (kernels != nullptr) {
      peaks[kernels->precision] = measure_peak(*kernels);
    }
  }
  JsonReporter reporter(table.name, std::move(peaks));
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}

}  // namespace
}  // namespace mlxe::bench

int main(int argc, char** argv) {
  try {
    return mlxe::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(fmt::format("bench_kernels: error: {}\n", error.what()).c_str(), stderr);
    return 1;
  }
}
