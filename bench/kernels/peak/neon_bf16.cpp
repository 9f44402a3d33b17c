// Multiply-adds of ARM's BFDOT: 4 sums of two bf16 products each.
#include "kernels/peak.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon_bf16(long iterations, float* sink) {
  constexpr int kChains = 16;                                               // four units of 4 cycles' delay
  const bfloat16x8_t factor = vreinterpretq_bf16_u16(vdupq_n_u16(0x3F00));  // 0.5
  float32x4_t chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = vdupq_n_f32(static_cast<float>(i));
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      chain[i] = vbfdotq_f32(chain[i], factor, factor);
    }
  }
  for (int i = 0; i < kChains; ++i) {
    *sink += vaddvq_f32(chain[i]);
  }
  return 2.0 * 8 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
