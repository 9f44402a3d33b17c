// bf16 matrix products with ARM's BFDOT: pairs multiplied and summed into float32.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/generic/bf16.h"
#include "backend/cpu/generic/tables.h"
#include "backend/cpu/neon/integers.h"
#include "backend/cpu/neon/simd.h"

namespace mlxe::cpu {
namespace {

struct Bf16Product {
  using Vector = neon::F32;
  using Accumulator = Vector;
  using Words = int32x4_t;
  static constexpr int kValues = 2;  // per word
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = false;
  static constexpr bool kOffset = false;
  static Accumulator zero() { return Vector::zero(); }
  static Words load(const std::int32_t* p) { return vld1q_s32(p); }
  static Words broadcast(const std::int32_t* p) { return vld1q_dup_s32(p); }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return {vbfdotq_f32(sum.v, vreinterpretq_bf16_s32(a), vreinterpretq_bf16_s32(b))};
  }
  static Vector to_float(Accumulator sum) { return sum; }

  static uint16x4_t narrow(Vector x) { return vreinterpret_u16_bf16(vcvt_bf16_f32(x.v)); }
  static void store_narrow(Vector x, void* p) {
    const uint16x4_t halves = narrow(x);
    __builtin_memcpy(p, &halves, sizeof halves);
  }
  static float convert(const float* x, int count, void* words) {
    generic::convert_bf16<Bf16Product>(x, count, words);
    return 1.0F;
  }

  /// Words (values[0][0], values[0][1]), ...; those of values[1] follow.
  static void store_row(const Vector (&values)[2], void* words) {
    const uint16x8_t halves = vcombine_u16(narrow(values[0]), narrow(values[1]));
    __builtin_memcpy(words, &halves, sizeof halves);
  }
  /// Words (values[0][i], values[1][i]).
  static void store_words(const Vector (&values)[2], void* words) {
    const uint32x4_t pairs = vorrq_u32(vmovl_u16(narrow(values[0])), vshlq_n_u32(vmovl_u16(narrow(values[1])), 16));
    __builtin_memcpy(words, &pairs, sizeof pairs);
  }
};

}  // namespace

constinit const MatrixKernels kNeonBf16 = generic::bf16_matrix_kernels<Bf16Product, neon::I32, 8, 3>();
constinit const AttentionKernels kNeonAttentionBf16 = generic::attention_kernels<Bf16Product, Bf16Product, 8, 2>();

}  // namespace mlxe::cpu
