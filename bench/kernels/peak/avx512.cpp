// Multiply-adds of AVX-512F: 16 floats each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx512(long iterations, float* sink) {
  const __m512 factor = _mm512_set1_ps(0.999F);
  const auto start = [](int i) { return _mm512_set1_ps(static_cast<float>(i)); };
  // Two units of 4 cycles' delay need 8 chains; 12 leave room for an unlucky start.
  return run_chains<12>(iterations, sink, 16, start, [=](__m512 sum) { return _mm512_fmadd_ps(sum, factor, factor); });
}

}  // namespace mlxe::bench
