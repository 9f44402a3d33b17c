// Threads that add up memory, timed by the clock on the wall: they wait for memory, not for a processor.
#include "kernels/read_rate.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "backend/cpu/weight_memory.h"

namespace mlxe::bench {
namespace {

/// Several chains, so that loads wait for memory alone.
void read(const std::int32_t* words, std::size_t count) {
  constexpr std::size_t kChains = 32;
  std::uint32_t sums[kChains] = {};
  for (std::size_t i = 0; i + kChains <= count; i += kChains) {
    for (std::size_t j = 0; j < kChains; ++j) {
      sums[j] ^= static_cast<std::uint32_t>(words[i + j]);
    }
  }
  for (std::uint32_t sum : sums) {
    benchmark::DoNotOptimize(sum);
  }
}

}  // namespace

double measure_read_rate(std::size_t bytes, int threads) {
  constexpr int kBouts = 5;
  constexpr std::size_t kBytesOfBout = std::size_t{1} << 30;  // tens of milliseconds, beside which a start is nothing
  const std::size_t count = bytes / sizeof(std::int32_t);
  cpu::WeightMemory memory;
  const cpu::WeightMemory::Block block = memory.allocate(count);
  std::memset(block.data, 1, count * sizeof(std::int32_t));
  const std::size_t passes = std::max<std::size_t>(1, kBytesOfBout / std::max<std::size_t>(1, bytes));
  const auto share = static_cast<std::size_t>(threads);
  double best = 0.0;
  for (int bout = 0; bout < kBouts; ++bout) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::jthread> readers;
    for (std::size_t i = 0; i < share; ++i) {
      readers.emplace_back([&, i] {
        for (std::size_t pass = 0; pass < passes; ++pass) {
          read(block.data + count * i / share, count * (i + 1) / share - count * i / share);
        }
      });
    }
    readers.clear();  // joins them
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(passes * count * sizeof(std::int32_t)) / seconds.count());
  }
  return best;
}

}  // namespace mlxe::bench
