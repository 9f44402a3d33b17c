// Multiply-adds of AVX-512 VNNI: 16 sums of four int8 products each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx512_vnni(long iterations, float* sink) {
  constexpr int kChains = 12;
  const __m512i factor = _mm512_set1_epi8(3);
  __m512i chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm512_set1_epi32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      chain[i] = _mm512_dpbusd_epi32(chain[i], factor, factor);
    }
  }
  __m512i sum = factor;
  for (int i = 0; i < kChains; ++i) {
    sum = _mm512_add_epi32(sum, chain[i]);
  }
  alignas(64) int lanes[16];
  _mm512_store_si512(lanes, sum);
  for (const int lane : lanes) {
    *sink += static_cast<float>(lane);
  }
  return 2.0 * 64 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
