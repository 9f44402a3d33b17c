// Multiply-adds of AVX2 on whole numbers: of 64 int8, summed by fours into 16 bits and these into 32, or of 16 int16.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {
namespace {

/// \param multiply  multiply(values) is what comes before the sum: eight sums of `products` products
template <class Multiply>
double multiply_add(long iterations, float* sink, int products, const Multiply& multiply) {
  constexpr int kChains = 8;
  const __m256i factor = _mm256_set1_epi8(3);
  __m256i chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm256_set1_epi32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      // Hidden from the optimiser, which would take the products out of the loop.
      __m256i values = factor;
      asm volatile("" : "+x"(values));
      chain[i] = _mm256_add_epi32(chain[i], multiply(values));
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

double multiply_add_avx2_int8(long iterations, float* sink) {
  return multiply_add(iterations, sink, 8, [](__m256i values) {
    const __m256i low = _mm256_maddubs_epi16(values, _mm256_set1_epi8(3));
    const __m256i high = _mm256_maddubs_epi16(values, _mm256_set1_epi8(5));
    return _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
  });
}

double multiply_add_avx2_int16(long iterations, float* sink) {
  return multiply_add(iterations, sink, 2,
                      [](__m256i values) { return _mm256_madd_epi16(values, _mm256_set1_epi8(3)); });
}

}  // namespace mlxe::bench
