// int8 matrix products with the matrix instruction of ARMv8.6: eight bytes of two rows times eight of two columns,
// summed into four sums of 32 bits, twice the products of a dot product. Run under emulation alone so far.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/generic/int8.h"
#include "backend/cpu/neon/simd.h"

namespace mlxe::cpu {
namespace {

struct Int8Product {
  using Vector = neon::F32;
  using Accumulator = int32x4_t;
  using Words = int32x4_t;
  struct Columns {
    Words v[2];  // columns 0 and 1, columns 2 and 3
  };
  struct Blocks {
    Accumulator v[2];  // row 0 with two columns, then row 1; of the same columns
  };
  static constexpr int kValues = 4;  // per word
  static constexpr int kWordsAtOnce = 2;
  static constexpr bool kScaled = true;
  static constexpr bool kOffset = true;
  static constexpr bool kSaturates = false;
  static constexpr bool kSignedRows = false;
  static Blocks zero_blocks() { return {{vdupq_n_s32(0), vdupq_n_s32(0)}}; }
  static Columns load(const std::int32_t* p) { return {{vld1q_s32(p), vld1q_s32(p + 4)}}; }
  static Words load_rows(const std::int32_t* first, const std::int32_t* second) {
    return vcombine_s32(vld1_s32(first), vld1_s32(second));
  }
  static Blocks multiply_add(Words rows, const Columns& columns, const Blocks& sums) {
    const uint8x16_t x = vreinterpretq_u8_s32(rows);
    return {{vusmmlaq_s32(sums.v[0], x, vreinterpretq_s8_s32(columns.v[0])),
             vusmmlaq_s32(sums.v[1], x, vreinterpretq_s8_s32(columns.v[1]))}};
  }
  static void split(const Blocks& sums, Accumulator& first, Accumulator& second) {
    first = vcombine_s32(vget_low_s32(sums.v[0]), vget_low_s32(sums.v[1]));
    second = vcombine_s32(vget_high_s32(sums.v[0]), vget_high_s32(sums.v[1]));
  }
  static Vector to_float(Accumulator sum) { return {vcvtq_f32_s32(sum)}; }
};

}  // namespace

constinit const MatrixKernels kNeonI8mm = generic::int8_matrix_kernels<Int8Product, 8, 3>();

}  // namespace mlxe::cpu
