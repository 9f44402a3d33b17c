// Multiply-adds of AVX-512 BF16: 16 sums of two bfloat16 products each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx512_bf16(long iterations, float* sink) {
  constexpr int kChains = 12;
  const __m512 small = _mm512_set1_ps(0.125F);
  const __m512bh factor = _mm512_cvtne2ps_pbh(small, small);
  __m512 chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm512_set1_ps(static_cast<float>(i));
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      chain[i] = _mm512_dpbf16_ps(chain[i], factor, factor);
    }
  }
  __m512 sum = small;
  for (int i = 0; i < kChains; ++i) {
    sum = _mm512_add_ps(sum, chain[i]);
  }
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, sum);
  for (const float lane : lanes) {
    *sink += lane;
  }
  return 2.0 * 32 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
