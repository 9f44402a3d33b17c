// Multiply-adds of AVX-512 VNNI: 16 sums of four int8 or two int16 products each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <immintrin.h>

namespace mlxe::bench {
namespace {

__m512i start(int i) {
  return _mm512_set1_epi32(i);
}

}  // namespace

double multiply_add_avx512_vnni(long iterations, float* sink) {
  const __m512i factor = _mm512_set1_epi8(3);
  return run_chains<12>(iterations, sink, 64, start,
                        [=](__m512i sum) { return _mm512_dpbusd_epi32(sum, factor, factor); });
}

double multiply_add_avx512_vnni_int16(long iterations, float* sink) {
  const __m512i factor = _mm512_set1_epi8(3);
  return run_chains<12>(iterations, sink, 32, start,
                        [=](__m512i sum) { return _mm512_dpwssd_epi32(sum, factor, factor); });
}

}  // namespace mlxe::bench
