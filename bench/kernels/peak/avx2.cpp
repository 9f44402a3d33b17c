// Multiply-adds of AVX2 + FMA: 8 floats each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx2(long iterations, float* sink) {
  constexpr int kChains = 12;  // two units of 4 cycles' delay need 8; 12 leaves room for an unlucky start
  const __m256 factor = _mm256_set1_ps(0.999F);
  __m256 chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm256_set1_ps(static_cast<float>(i));
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      chain[i] = _mm256_fmadd_ps(chain[i], factor, factor);
    }
  }
  __m256 sum = factor;
  for (int i = 0; i < kChains; ++i) {
    sum = _mm256_add_ps(sum, chain[i]);
  }
  alignas(64) float lanes[8];
  _mm256_store_ps(lanes, sum);
  for (const float lane : lanes) {
    *sink += lane;
  }
  return 2.0 * 8 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
