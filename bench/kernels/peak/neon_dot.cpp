// Multiply-adds of ARM's int8 dot products: 4 sums of four products each.
#include "kernels/peak.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon_dot(long iterations, float* sink) {
  constexpr int kChains = 16;  // four units of 4 cycles' delay
  const int8x16_t factor = vdupq_n_s8(3);
  int32x4_t chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = vdupq_n_s32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      chain[i] = vdotq_s32(chain[i], factor, factor);
    }
  }
  for (int i = 0; i < kChains; ++i) {
    *sink += static_cast<float>(vaddvq_s32(chain[i]));
  }
  return 2.0 * 16 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
