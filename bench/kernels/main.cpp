// Runs the kernel benchmarks with the best kernels of this machine, or those that MLXE_CPU_ISA names.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "backend/cpu/instruction_set.h"
#include "kernels/json_reporter.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"
#include "kernels/read_rate.h"
#include "machine.h"
#include "mlxe/error.h"

namespace mlxe::bench {
namespace {

/// Takes the flag `name`, "--name=", out of the arguments. \returns its number, in [1, most]
std::optional<std::size_t> take_number(std::vector<char*>& arguments, std::string_view name, std::size_t most) {
  const auto found = std::ranges::find_if(
      arguments, [&](const char* argument) { return std::string_view(argument).starts_with(name); });
  if (found == arguments.end()) {
    return std::nullopt;
  }
  const std::string_view text = std::string_view(*found).substr(name.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > most) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}{}: wanted a number from 1 to {}", name, text, most));
  }
  arguments.erase(found);
  return number;
}

int run(int argc, char** argv) {
  // Short and few by default, as a whole pass is wanted in seconds; flags on the command line come later and win.
  std::vector<char*> arguments(argv, argv + argc);
  const auto read_bytes = take_number(arguments, "--read_bytes=", std::size_t{1} << 40);
  const int threads = static_cast<int>(
      take_number(arguments, "--all_threads=", 1024).value_or(static_cast<std::size_t>(cli::num_cpus())));
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
  AllThreads all{.count = threads, .fp32_peak = measure_peak_of_all(*table.fp32, threads), .read_rate = std::nullopt};
  if (read_bytes) {
    all.read_rate = measure_read_rate(*read_bytes, threads);
  }
  JsonReporter reporter(table.name, std::move(peaks), all);
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
