// Multiply-adds of AVX-VNNI: 8 sums of four int8 products each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx_vnni(long iterations, float* sink) {
  constexpr int kChains = 12;
  const __m256i factor = _mm256_set1_epi8(3);
  __m256i chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm256_set1_epi32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      asm("%{vex%} vpdpbusd %1, %1, %0" : "+x"(chain[i]) : "x"(factor));
    }
  }
  __m256i sum = factor;
  for (int i = 0; i < kChains; ++i) {
    sum = _mm256_add_epi32(sum, chain[i]);
  }
  alignas(64) int lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  for (const int lane : lanes) {
    *sink += static_cast<float>(lane);
  }
  return 2.0 * 32 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
