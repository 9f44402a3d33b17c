// Multiply-adds of AVX2 + FMA: 8 floats each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx2(long iterations, float* sink) {
  const __m256 factor = _mm256_set1_ps(0.999F);
  const auto start = [](int i) { return _mm256_set1_ps(static_cast<float>(i)); };
  // Two units of 4 cycles' delay need 8 chains; 12 leave room for an unlucky start.
  return run_chains<12>(iterations, sink, 8, start, [=](__m256 sum) { return _mm256_fmadd_ps(sum, factor, factor); });
}

}  // namespace mlxe::bench
