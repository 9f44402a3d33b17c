// Multiply-adds of AVX-512F: 16 floats each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx512(long iterations, float* sink) {
  constexpr int kChains = 12;  // two units of 4 cycles' delay need 8; 12 leaves room for an unlucky start
  const __m512 factor = _mm512_set1_ps(0.999F);
  __m512 chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm512_set1_ps(static_cast<float>(i));
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      chain[i] = _mm512_fmadd_ps(chain[i], factor, factor);
    }
  }
  __m512 sum = factor;
  for (int i = 0; i < kChains; ++i) {
    sum = _mm512_add_ps(sum, chain[i]);
  }
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, sum);
  for (const float lane : lanes) {
    *sink += lane;
  }
  return 2.0 * 16 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
