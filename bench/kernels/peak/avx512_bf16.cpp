// Multiply-adds of AVX-512 BF16: 16 sums of two bfloat16 products each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <immintrin.h>

namespace mlxe::bench {

double multiply_add_avx512_bf16(long iterations, float* sink) {
  const __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.125F), _mm512_set1_ps(0.125F));
  const auto start = [](int i) { return _mm512_set1_ps(static_cast<float>(i)); };
  return run_chains<12>(iterations, sink, 32, start, [=](__m512 sum) { return _mm512_dpbf16_ps(sum, factor, factor); });
}

}  // namespace mlxe::bench
