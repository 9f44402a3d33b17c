// Multiply-adds of NEON: 4 floats each.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

#include <arm_neon.h>

namespace mlxe::bench {

double multiply_add_neon(long iterations, float* sink) {
  const float32x4_t factor = vdupq_n_f32(0.999F);
  const auto start = [](int i) { return vdupq_n_f32(static_cast<float>(i)); };
  // Four units of 4 cycles' delay.
  return run_chains<16>(iterations, sink, 4, start, [=](float32x4_t sum) { return vfmaq_f32(sum, factor, factor); });
}

}  // namespace mlxe::bench
