// Multiply-adds of AVX-VNNI: 8 sums of four int8 or two int16 products each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {
namespace {

/// \param add  add(sum, factor) is the instruction, factor times itself
template <class Add>
double multiply_add(long iterations, float* sink, int products, const Add& add) {
  constexpr int kChains = 12;
  const __m256i factor = _mm256_set1_epi8(3);
  __m256i chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm256_set1_epi32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      chain[i] = add(chain[i], factor);
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
  return 2.0 * 8 * products * kChains * static_cast<double>(iterations);
}

}  // namespace

double multiply_add_avx_vnni(long iterations, float* sink) {
  return multiply_add(iterations, sink, 4, [](__m256i sum, __m256i factor) {
    asm("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum) : "x"(factor));
    return sum;
  });
}

double multiply_add_avx_vnni_int16(long iterations, float* sink) {
  return multiply_add(iterations, sink, 2, [](__m256i sum, __m256i factor) {
    asm("%{vex%} vpdpwssd %1, %1, %0" : "+x"(sum) : "x"(factor));
    return sum;
  });
}

}  // namespace mlxe::bench
