// int8 matrix products with the dot product of ARMv8.2: four signed bytes times signed ones summed into 32 bits.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/generic/int8.h"
#include "backend/cpu/neon/simd.h"

namespace mlxe::cpu {
namespace {

/// Signed by signed, which every CPU with dot products has; unsigned by signed came later and is no faster.
struct Int8Product {
  using Vector = neon::F32;
  using Accumulator = int32x4_t;
  using Words = int32x4_t;
  static constexpr int kValues = 4;  // per word
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = true;
  static constexpr bool kOffset = true;
  static constexpr bool kSaturates = false;
  static constexpr bool kSignedRows = true;
  static Accumulator zero() { return vdupq_n_s32(0); }
  static Words load(const std::int32_t* p) { return vld1q_s32(p); }
  static Words broadcast(const std::int32_t* p) { return vld1q_dup_s32(p); }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
  }
  static Vector to_float(Accumulator sum) { return {vcvtq_f32_s32(sum)}; }
};

}  // namespace

constinit const MatrixKernels kNeonInt8 = generic::int8_matrix_kernels<Int8Product, 8, 3>();

}  // namespace mlxe::cpu
