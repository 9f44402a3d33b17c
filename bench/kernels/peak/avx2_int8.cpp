// Multiply-adds of AVX2 on whole numbers: of 64 int8, summed by fours into 16 bits and these into 32, or of 16 int16.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <immintrin.h>

namespace mlxe::bench {
namespace {

__m256i start(int i) {
  return _mm256_set1_epi32(i);
}

/// Hidden from the optimiser, which would take products of it out of the loop.
__m256i hidden(__m256i values) {
  asm volatile("" : "+x"(values));
  return values;
}

}  // namespace

double multiply_add_avx2_int8(long iterations, float* sink) {
  const __m256i factor = _mm256_set1_epi8(3);
  return run_chains<8>(iterations, sink, 64, start, [=](__m256i sum) {
    const __m256i values = hidden(factor);
    const __m256i low = _mm256_maddubs_epi16(values, _mm256_set1_epi8(3));
    const __m256i high = _mm256_maddubs_epi16(values, _mm256_set1_epi8(5));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1)));
  });
}

double multiply_add_avx2_int16(long iterations, float* sink) {
  const __m256i factor = _mm256_set1_epi8(3);
  return run_chains<8>(iterations, sink, 16, start, [=](__m256i sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(hidden(factor), _mm256_set1_epi8(3)));
  });
}

}  // namespace mlxe::bench
