// Multiply-adds of AVX-512 VNNI: 16 sums of four int8 or two int16 products each.
#include "kernels/peak.h"

#include <immintrin.h>

namespace mlxe::bench {
namespace {

/// \param add  add(sum, factor) is the instruction, factor times itself
template <class Add>
double multiply_add(long iterations, float* sink, int products, const Add& add) {
  constexpr int kChains = 12;
  const __m512i factor = _mm512_set1_epi8(3);
  __m512i chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = _mm512_set1_epi32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      chain[i] = add(chain[i], factor);
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
  return 2.0 * 16 * products * kChains * static_cast<double>(iterations);
}

}  // namespace

double multiply_add_avx512_vnni(long iterations, float* sink) {
  return multiply_add(iterations, sink, 4,
                      [](__m512i sum, __m512i factor) { return _mm512_dpbusd_epi32(sum, factor, factor); });
}

double multiply_add_avx512_vnni_int16(long iterations, float* sink) {
  return multiply_add(iterations, sink, 2,
                      [](__m512i sum, __m512i factor) { return _mm512_dpwssd_epi32(sum, factor, factor); });
}

}  // namespace mlxe::bench
