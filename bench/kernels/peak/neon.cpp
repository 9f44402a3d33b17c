// Multiply-adds of NEON: 4 floats each.
#include "kernels/peak.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon(long iterations, float* sink) {
  constexpr int kChains = 16;  // four units of 4 cycles' delay
  const float32x4_t factor = vdupq_n_f32(0.999F);
  float32x4_t chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = vdupq_n_f32(static_cast<float>(i));
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      chain[i] = vfmaq_f32(chain[i], factor, factor);  // into the sum, as the kernels do: no copies
    }
  }
  for (int i = 0; i < kChains; ++i) {
    *sink += vaddvq_f32(chain[i]);
  }
  return 2.0 * 4 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
