// Multiply-adds of ARM's BFDOT: 4 sums of two bf16 products each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon_bf16(long iterations, float* sink) {
  // 0.1; GCC 12 would load 0.5 by an instruction of float16, which the flags do not have.
  const bfloat16x8_t factor = vreinterpretq_bf16_u16(vdupq_n_u16(0x3DCD));
  const auto start = [](int i) { return vdupq_n_f32(static_cast<float>(i)); };
  // Four units of 4 cycles' delay.
  return run_chains<16>(iterations, sink, 8, start, [=](float32x4_t sum) { return vbfdotq_f32(sum, factor, factor); });
}

}  // namespace mlxe::bench
