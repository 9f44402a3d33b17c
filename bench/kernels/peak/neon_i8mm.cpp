// Multiply-adds of ARM's int8 matrix products: 4 sums of eight products each.
#include "kernels/peak.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon_i8mm(long iterations, float* sink) {
  constexpr int kChains = 16;  // four units of 4 cycles' delay
  const uint8x16_t rows = vdupq_n_u8(3);
  const int8x16_t columns = vdupq_n_s8(3);
  int32x4_t chain[kChains];
  for (int i = 0; i < kChains; ++i) {
    chain[i] = vdupq_n_s32(i);
  }
  for (long k = 0; k < iterations; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      chain[i] = vusmmlaq_s32(chain[i], rows, columns);
    }
  }
  for (int i = 0; i < kChains; ++i) {
    *sink += static_cast<float>(vaddvq_s32(chain[i]));
  }
  return 2.0 * 32 * kChains * static_cast<double>(iterations);
}

}  // namespace mlxe::bench
