// The loop of every peak: as many independent sums in registers as it takes to keep the units busy.
#pragma once

#include <cstdint>

namespace mlxe::bench {
namespace {  // each translation unit its own: they are compiled with different flags

/// \tparam kChains  at least units times cycles of delay; as many registers
/// \param products  of one step
/// \param start     start(i) is the first sum of chain i; no two are the same, or they would be made one
/// \param step      step(sum) is the sum after one more instruction
/// \returns operations done
template <int kChains, class Start, class Step>
inline __attribute__((always_inline)) double run_chains(long iterations, float* sink, int products, const Start& start,
                                                        const Step& step) {
  using Sum = decltype(start(0));
  Sum chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = start(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      chain[i] = step(chain[i]);
    }
  }
  std::int32_t lanes[kChains * sizeof(Sum) / sizeof(std::int32_t)];
  __builtin_memcpy(lanes, chain, sizeof(chain));
  for (const std::int32_t lane : lanes) {
    *sink += static_cast<float>(lane);
  }
  return 2.0 * products * kChains * static_cast<double>(iterations);
}

}  // namespace
}  // namespace mlxe::bench
