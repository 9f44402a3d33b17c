// Multiply-adds of AVX-VNNI: 8 sums of four int8 or two int16 products each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <immintrin.h>

namespace mlxe::bench {
namespace {

__m256i start(int i) {
  return _mm256_set1_epi32(i);
}

}  // namespace

double multiply_add_avx_vnni(long iterations, float* sink) {
  const __m256i factor = _mm256_set1_epi8(3);
  return run_chains<12>(iterations, sink, 32, start, [=](__m256i sum) {
    asm("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum) : "x"(factor));
    return sum;
  });
}

double multiply_add_avx_vnni_int16(long iterations, float* sink) {
  const __m256i factor = _mm256_set1_epi8(3);
  return run_chains<12>(iterations, sink, 16, start, [=](__m256i sum) {
    asm("%{vex%} vpdpwssd %1, %1, %0" : "+x"(sum) : "x"(factor));
    return sum;
  });
}

}  // namespace mlxe::bench
