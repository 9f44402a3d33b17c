// Multiply-adds of ARM's int8 dot products: 4 sums of four products each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon_dot(long iterations, float* sink) {
  const int8x16_t factor = vdupq_n_s8(3);
  const auto start = [](int i) { return vdupq_n_s32(i); };
  // Four units of 4 cycles' delay.
  return run_chains<16>(iterations, sink, 16, start, [=](int32x4_t sum) { return vdotq_s32(sum, factor, factor); });
}

}  // namespace mlxe::bench
