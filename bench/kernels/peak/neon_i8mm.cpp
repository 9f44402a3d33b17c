// Multiply-adds of ARM's int8 matrix products: 4 sums of eight products each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon_i8mm(long iterations, float* sink) {
  const uint8x16_t rows = vdupq_n_u8(3);
  const int8x16_t columns = vdupq_n_s8(3);
  const auto start = [](int i) { return vdupq_n_s32(i); };
  // Four units of 4 cycles' delay.
  return run_chains<16>(iterations, sink, 32, start, [=](int32x4_t sum) { return vusmmlaq_s32(sum, rows, columns); });
}

}  // namespace mlxe::bench
