// Chooses the loop of some kernels and times it.
#include "kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include <time.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe::bench {
namespace {

using Loop = double (*)(long iterations, float* sink);

/// The processor time of this thread: what other programs take does not count, neither here nor in the benchmarks.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The loop of the same instruction as the kernels': float32's where bf16 is widened to it.
Loop loop_of(const cpu::MatrixKernels& kernels) {
  const std::pair<const cpu::MatrixKernels*, Loop> loops[] = {
#if defined(__x86_64__)
      {&cpu::kAvx512Bf16, multiply_add_avx512_bf16},
      {&cpu::kAvx512Int8, multiply_add_avx512_vnni},
      {&cpu::kAvx512Fp32, multiply_add_avx512},
      {&cpu::kAvxVnniInt8, multiply_add_avx_vnni},
      {&cpu::kAvx512WidenedBf16, multiply_add_avx512},
      {&cpu::kAvx2WidenedBf16, multiply_add_avx2},
      {&cpu::kAvx2Int8, multiply_add_avx2_int8},
      {&cpu::kAvx2Fp32, multiply_add_avx2},
      {&cpu::kAvx512Int16, multiply_add_avx512_vnni_int16},
      {&cpu::kAvxVnniInt16, multiply_add_avx_vnni_int16},
      {&cpu::kAvx2Int16, multiply_add_avx2_int16},
      {&cpu::kAmxBf16, multiply_add_amx_bf16},
      {&cpu::kAmxInt8, multiply_add_amx_int8},
#elif defined(__aarch64__)
      {&cpu::kNeonBf16, multiply_add_neon_bf16},    {&cpu::kNeonInt8, multiply_add_neon_dot},
      {&cpu::kNeonI8mm, multiply_add_neon_i8mm},    {&cpu::kNeonFp32, multiply_add_neon},
      {&cpu::kNeonWidenedBf16, multiply_add_neon},
#endif
      {&cpu::kPortableFp32, multiply_add_portable},
      {&cpu::kPortableWidenedBf16, multiply_add_portable},
  };
  for (const auto& [candidate, loop] : loops) {
    if (candidate == &kernels) {
      return loop;
    }
  }
  throw Error(ErrorCode::kInternal,
              fmt::format("bench/kernels/peak.cpp has no loop for these {} kernels", kernels.precision));
}

}  // namespace

double measure_peak(const cpu::MatrixKernels& kernels) {
  const Loop loop = loop_of(kernels);
  constexpr int kBouts = 20;
  constexpr long kIterations = 2'000'000;  // 2 to 20 ms: some bouts fall between two interruptions
  float sink = 0;
  double best = 0;
  for (int bout = 0; bout < kBouts; ++bout) {
    const double start = thread_seconds();
    const double operations = loop(kIterations, &sink);
    const double seconds = thread_seconds() - start;
    best = std::max(best, operations / seconds);
  }
  benchmark::DoNotOptimize(sink);
  return best;
}

double measure_peak_of_all(const cpu::MatrixKernels& kernels, int threads) {
  const Loop loop = loop_of(kernels);
  constexpr int kBouts = 5;                 // in some of which no two threads are started on one processor
  constexpr long kIterations = 10'000'000;  // tens of milliseconds, beside which the start of a thread is nothing
  double best = 0;
  for (int bout = 0; bout < kBouts; ++bout) {
    std::vector<double> operations(static_cast<std::size_t>(threads));
    const auto start = std::chrono::steady_clock::now();
    {
      std::vector<std::jthread> workers;
      for (double& done : operations) {
        workers.emplace_back([&done, loop] {
          float sink = 0;
          done = loop(kIterations, &sink);
          benchmark::DoNotOptimize(sink);
        });
      }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, std::accumulate(operations.begin(), operations.end(), 0.0) / seconds.count());
  }
  return best;
}

}  // namespace mlxe::bench
