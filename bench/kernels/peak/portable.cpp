// Multiply-adds with the vectors that every CPU of this architecture has.
#include "kernels/peak.h"

namespace mlxe::bench {

double multiply_add_portable(long iterations, float* sink) {
  typedef float Vector __attribute__((vector_size(16)));
  constexpr int kChains = 8;  // a chain waits 8 cycles for its multiply and add; 8 chains fill two units, 16 registers
  const Vector factor = {0.999F, 0.998F, 0.997F, 0.996F};
  Vector chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    const float start = static_cast<float>(i);
    chain[i] = Vector{start, start, start, start};
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 8
    for (int i = 0; i < kChains; ++i) {
      chain[i] = chain[i] * factor + factor;
    }
  }
  Vector sum = factor;
  for (int i = 0; i < kChains; ++i) {
    sum += chain[i];
  }
  *sink += sum[0] + sum[1] + sum[2] + sum[3];
  return 2.0 * 4 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
